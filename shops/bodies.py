"""A webhook's raw body as an object that Postgres can store."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn


class BodyError(ValueError):
    """The body is not a JSON object that can be stored; the message says why."""


def parse_body(raw: bytes) -> dict[str, Any]:
    """The JSON object in `raw`, in UTF-8.

    NUL characters and unpaired surrogates are taken out: JSON may hold them, jsonb may not, and a notice must not be
    lost for a strange character in a customer's note. Raises BodyError.
    """
    try:
        parsed = json.loads(raw.decode("utf-8"), parse_constant=_refuse, parse_float=_finite)
        if not isinstance(parsed, dict):
            raise BodyError("not a JSON object")
        strange = b"\\u0000" in raw or b"\\ud" in raw.lower()
        return {_clean(key): _clean(value) for key, value in parsed.items()} if strange else parsed
    except UnicodeDecodeError as error:
        raise BodyError("not UTF-8") from error
    except RecursionError as error:
        raise BodyError("nested too deeply") from error
    except ValueError as error:
        raise BodyError(f"not JSON: {error}"[:200]) from error


def _refuse(name: str) -> NoReturn:
    raise BodyError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise BodyError("number out of range")
    return value


def _clean(value: Any) -> Any:
    match value:
        case str():
            return value.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
        case list():
            return [_clean(item) for item in value]
        case dict():
            return {_clean(key): _clean(item) for key, item in value.items()}
        case _:
            return value
