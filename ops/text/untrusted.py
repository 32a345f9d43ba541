"""The one gate for text that comes from another system: read, bounded in depth, and cleaned of what Postgres refuses.

Both doors and every answer to our calls go through here, so nothing behind it meets U+0000, half a surrogate pair, an
endless number or a nesting that exhausts the stack.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, NoReturn

from pydantic import ValidationError

DOOR_DEPTH = 20
"""Levels of nesting that a body at a door may have: the deepest of Shopify's has eight, the WMS contract four."""

ANSWER_DEPTH = 100
"""Levels of nesting that an answer to a call of ours may have: connections of GraphQL nest by two at a time."""


_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


MISFITS_NAMED = 5
"""Errors of a value that are named; an endless list would say no more."""


class Unreadable(ValueError):
    """Not JSON that can be stored; the message says why and quotes nothing."""


def clean(value: Any) -> Any:
    """The value without U+0000, and with "?" for each half of a surrogate pair, in every text and key of it.

    JSON may hold them, Postgres may not, and no order is lost for a strange character in a title. The value must not
    be nested deeper than `parse` lets it be.
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
    """The first of the places where a value does not fit its shape, each with the reason; no value is quoted.

    `whole`: what the value itself is called. `name`: turns a field into what its sender calls it.
    """
    return "; ".join(
        f"{'.'.join(name(str(part)) for part in each['loc']) or whole}: {each['msg']}"
        for each in error.errors()[:MISFITS_NAMED]
    )


def one_line(text: str) -> str:
    """The text without what would begin another line, in a list or in the head of a mail."""
    return _BREAKS.sub(" ", text)


def parse(raw: bytes, *, deepest: int, encoding: str = "utf-8-sig") -> Any:
    """The JSON value in `raw`, cleaned. Raises Unreadable."""
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
    """The JSON object in `raw`, cleaned. Raises Unreadable."""
    value = parse(raw, deepest=deepest, encoding=encoding)
    if not isinstance(value, dict):
        raise Unreadable("not a JSON object")
    return value


def parse_answer(raw: bytes) -> dict[str, Any]:
    """The JSON object that a call of ours was answered with, in any of Unicode's encodings. Raises Unreadable."""
    return parse_object(raw, deepest=ANSWER_DEPTH, encoding=json.detect_encoding(raw))


class StoredDecoder(json.JSONDecoder):
    """Reads what was stored before this gate was there: what exhausts the stack says so, and breaks no page."""

    def decode(self, s: str, *args: Any) -> Any:
        """The value, or an object that says that it cannot be read."""
        try:
            return super().decode(s, *args)
        except RecursionError:
            return {"unreadable": "nested too deeply"}


def _may_be_strange(raw: bytes, encoding: str) -> bool:
    """Whether a text in it may need cleaning: JSON writes such characters as escapes only."""
    return not encoding.startswith("utf-8") or b"\\u0000" in raw or b"\\ud" in raw.lower()


def _bound(value: Any, *, deepest: int) -> None:
    level = [value] if isinstance(value, list | dict) else []
    for _ in range(deepest):
        if not level:
            return
        inside = (each.values() if isinstance(each, dict) else each for each in level)
        level = [child for children in inside for child in children if isinstance(child, list | dict)]
    if level:
        raise Unreadable("nested too deeply")


def _refuse(name: str) -> NoReturn:
    raise Unreadable(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise Unreadable("number out of range")
    return value
