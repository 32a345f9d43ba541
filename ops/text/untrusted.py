"""Reads JSON of other systems: it limits the depth, and removes what Postgres refuses.

Both doors and every answer to our calls use this module. So no other code meets U+0000, half a surrogate pair, an
infinite number, or a nesting that exhausts the stack.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, NoReturn

from pydantic import ValidationError

DOOR_DEPTH = 20
"""A body at a door may be nested this deep. The deepest body of Shopify has eight levels, the WMS contract four."""

ANSWER_DEPTH = 100
"""An answer to a call of ours may be nested this deep. Each connection of GraphQL adds two levels."""


_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


MISFITS_NAMED = 5
"""At most this many errors of a value are named. More would not help."""


class Unreadable(ValueError):
    """The text is no JSON that can be stored. The message says why, and quotes nothing."""


def clean(value: Any) -> Any:
    """Remove U+0000, and replace each half of a surrogate pair by "?", in every text and key of a value.

    JSON can have these characters, Postgres cannot, and a strange character in a title must not cost an order. The
    value must not be nested deeper than `parse` allows.
    """
    match value:
        case str():
            return _clean_text(value)
        case list():
            return [clean(item) for item in value]
        case dict():
            return {clean(key): clean(item) for key, item in value.items()}
        case _:
            return value


def _clean_text(text: str) -> str:
    whole = text.replace("\x00", "") if "\x00" in text else text
    return whole if whole.isascii() else whole.encode("utf-8", "replace").decode("utf-8")


def misfits(error: ValidationError, *, whole: str = "", name: Callable[[str], str] = str) -> str:
    """Name the first fields that do not fit the expected shape, each with the reason. No value is quoted.

    `whole` is the name of the value itself. `name` turns the name of a field into the name that its sender uses.
    """
    return "; ".join(
        f"{'.'.join(name(str(part)) for part in each['loc']) or whole}: {each['msg']}"
        for each in error.errors()[:MISFITS_NAMED]
    )


def one_line(text: str) -> str:
    """Replace line breaks and control characters by spaces, so that the text stays one line in a list or in a mail
    header."""
    return _BREAKS.sub(" ", text)


def parse(raw: bytes, *, deepest: int, encoding: str = "utf-8-sig") -> Any:
    """Parse and clean a JSON value. Raises Unreadable."""
    try:
        value = json.loads(raw.decode(encoding), parse_constant=_refuse, parse_float=_finite)
    except UnicodeDecodeError as error:
        raise Unreadable("not UTF-8") from error
    except RecursionError as error:
        raise Unreadable("nested too deeply") from error
    except Unreadable:
        raise
    except ValueError as error:
        raise Unreadable(f"not JSON: {error}"[:200]) from error
    _bound(value, deepest=deepest)
    return clean(value) if _may_be_strange(raw, encoding) else value


def parse_object(raw: bytes, *, deepest: int, encoding: str = "utf-8-sig") -> dict[str, Any]:
    """Parse and clean a JSON object. Raises Unreadable."""
    value = parse(raw, deepest=deepest, encoding=encoding)
    if not isinstance(value, dict):
        raise Unreadable("not a JSON object")
    return value


def parse_answer(raw: bytes) -> dict[str, Any]:
    """Parse the JSON object in an answer, in any Unicode encoding. Raises Unreadable."""
    return parse_object(raw, deepest=ANSWER_DEPTH, encoding=json.detect_encoding(raw))


class StoredDecoder(json.JSONDecoder):
    """Reads JSON from the database. Some was stored before its depth was limited, and must not break a page."""

    def decode(self, s: str, *args: Any) -> Any:
        """Return the value, or an object that says that it cannot be read."""
        try:
            return super().decode(s, *args)
        except RecursionError:
            return {"unreadable": "nested too deeply"}


def _may_be_strange(raw: bytes, encoding: str) -> bool:
    """Whether a text in it may need cleaning. In UTF-8, JSON can have such characters only as escapes."""
    return not encoding.startswith("utf-8") or b"\\u0000" in raw or b"\\ud" in raw.lower()


def _bound(value: Any, *, deepest: int) -> None:
    """Raises Unreadable if the value has more levels than `deepest`. It goes down level by level, without recursion.

    What is parsed has no other containers than these two types, and to compare types is the fastest way.
    """
    level = [value] if type(value) is dict or type(value) is list else []
    for _ in range(deepest):
        if not level:
            return
        level = [
            child
            for each in level
            for child in (each.values() if type(each) is dict else each)
            if type(child) is dict or type(child) is list
        ]
    if level:
        raise Unreadable("nested too deeply")


def _refuse(name: str) -> NoReturn:
    raise Unreadable(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise Unreadable("number out of range")
    return value
