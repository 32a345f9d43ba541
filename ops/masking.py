"""What staff see of a payload: its shape and its numbers, but nothing about a person and no secret."""

from __future__ import annotations

import re
from typing import Any

MASKED = "•••"

# Parts of key names, lower case without separators: "shipping_address" and "shippingAddress" both fit.
_PERSONAL = re.compile(
    "address|billing|birth|browserip|buyer|city|clientdetails|company|contact|cookie|customer|email|fax"
    "|landingsite|latitude|longitude|name$|note|password|phone|postal|recipient|referringsite|secret|shipto"
    "|signature|token|url|useragent|zip"
)
_OUR_NAMES = re.compile("warehouse|item|sku|variant|topic")


def mask_personal(value: Any, *, hidden: bool = False) -> Any:
    """A copy of a JSON value in which everything under a key that may name a person or a secret is masked.

    Empty values and booleans stay, so that staff see what was given at all.
    """
    if isinstance(value, dict):
        return {key: mask_personal(each, hidden=hidden or _hides(str(key))) for key, each in value.items()}
    if isinstance(value, list):
        return [mask_personal(each, hidden=hidden) for each in value]
    if hidden and value not in (None, "") and not isinstance(value, bool):
        return MASKED
    return value


def _hides(key: str) -> bool:
    plain = re.sub(r"[^a-z0-9]", "", key.lower())
    return bool(_PERSONAL.search(plain)) and not _OUR_NAMES.search(plain)
