"""Masks personal data and secrets in payloads and in the texts of other systems, before staff see them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ops.text import untrusted

MASKED = "•••"
_DEEPEST = 2 * untrusted.DOOR_DEPTH

# These are parts of key names, in lower case and without separators: "shipping_address" and "shippingAddress" both
# match.
_PERSONAL = re.compile(
    "address|billing|birth|browserip|buyer|city|clientdetails|company|contact|cookie|customer|email|fax"
    "|landingsite|latitude|longitude|name$|note|password|phone|postal|recipient|referringsite|secret|shipto"
    "|signature|token|url|useragent|zip"
)
_OUR_NAMES = re.compile("warehouse|item|sku|variant|topic")


def mask_personal(value: Any) -> Any:
    """Return a copy of a JSON value, in which every value under a key that may name a person or a secret is masked.

    Empty values and booleans stay, so that staff see which fields were given. A value that is nested deeper than any
    real body is masked as a whole.
    """
    return _masked(value, below_personal=False, depth=0)


def _masked(value: Any, *, below_personal: bool, depth: int) -> Any:
    """Mask a value. `below_personal` says that a key above it may name a person or a secret."""
    if depth > _DEEPEST:
        return MASKED
    if isinstance(value, dict):
        return {
            key: _masked(each, below_personal=below_personal or _hides(str(key)), depth=depth + 1)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [_masked(each, below_personal=below_personal, depth=depth + 1) for each in value]
    if below_personal and value not in (None, "") and not isinstance(value, bool):
        return MASKED
    return value


def _hides(key: str) -> bool:
    """Whether values under this key are masked: it may name a person or a secret, and is no name of goods of ours."""
    plain = re.sub(r"[^a-z0-9]", "", key.lower())
    return bool(_PERSONAL.search(plain)) and not _OUR_NAMES.search(plain)


# A message of another system may name the person it is about. A number counts as a telephone number if it has a country
# code, or a leading 0 and separators between its digits. Item codes and order ids have neither.
_EMAIL = re.compile(r"[\w.%+-]+@[\w-]+(?:\.[\w-]+)+")
_GAP = r"[\s./()-]{0,3}"
_INTERNATIONAL = rf"\+{_GAP}\d(?:{_GAP}\d){{6,14}}"
_NATIONAL = rf"(?=\(?\d+[\s./)-]{{1,3}}\d)\(?0\d(?:{_GAP}\d){{5,12}}"
_PHONE = re.compile(rf"(?<![\w+])(?:{_INTERNATIONAL}|{_NATIONAL})(?!\w)")
_DIGITS_THAT_TELL = 7
_SHORTEST_NAME = 3
_LONGEST_TEXT = 8_000


def mask_text(text: str, *, known: Iterable[str] = ()) -> str:
    """Mask e-mail addresses, telephone numbers and the `known` values in a text. Capitals and small letters are the
    same.

    A known telephone number (7 digits and no letters) is found in any spelling. Known values of less than 3 characters
    stay, because they occur in many words. Characters that cannot be stored are removed, and a very long text is cut
    off.
    """
    text = untrusted.clean(text[:_LONGEST_TEXT])
    if "@" in text:
        text = _EMAIL.sub(MASKED, text)
    for value in sorted({" ".join(value.split()) for value in known}, key=len, reverse=True):
        text = _known(value).sub(MASKED, text) if len(value) >= _SHORTEST_NAME else text
    return _PHONE.sub(MASKED, text)


def _known(value: str) -> re.Pattern[str]:
    """The pattern that finds a known value: a telephone number by its last digits, anything else by its words."""
    digits = re.sub(r"\D", "", value)
    if len(digits) >= _DIGITS_THAT_TELL and not re.search(r"[^\W\d]", value):
        tail = _GAP.join(digits[-_DIGITS_THAT_TELL:])
        return re.compile(rf"(?<!\d)\+?(?:\d{_GAP}){{0,8}}{tail}(?!\d)")
    words = r"\s+".join(re.escape(word) for word in value.split())
    return re.compile(rf"(?<!\w){words}(?!\w)", re.IGNORECASE)
