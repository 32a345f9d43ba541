"""Converts between Shopify's global ids, which its API uses, and the numbers that we use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, overload

from shops.ids import (
    FulfillmentId,
    FulfillmentOrderId,
    FulfillmentOrderLineId,
    InventoryItemId,
    LocationId,
    ShopifyOrderId,
    VariantId,
)

_GID = re.compile(r"gid://shopify/([A-Za-z]+)/(\d{1,19})(?:\?.*)?", re.ASCII)
_LARGEST = 2**63 - 1


@overload
def gid(kind: Literal["Order"], number: ShopifyOrderId) -> str: ...
@overload
def gid(kind: Literal["FulfillmentOrder"], number: FulfillmentOrderId) -> str: ...
@overload
def gid(kind: Literal["FulfillmentOrderLineItem"], number: FulfillmentOrderLineId) -> str: ...
@overload
def gid(kind: Literal["Fulfillment"], number: FulfillmentId) -> str: ...
@overload
def gid(kind: Literal["Location"], number: LocationId) -> str: ...
@overload
def gid(kind: Literal["ProductVariant"], number: VariantId) -> str: ...
@overload
def gid(kind: Literal["InventoryItem"], number: InventoryItemId) -> str: ...
def gid(kind: str, number: int) -> str:
    """`gid("Order", 5)` -> "gid://shopify/Order/5"."""
    return f"gid://shopify/{kind}/{number}"


def number(gid: str) -> int:
    """`number("gid://shopify/Order/5")` -> 5; parameters after a "?" are ignored (inventory levels have them).

    Raises ValueError if it is not a gid with a 64-bit number.
    """
    found = _GID.fullmatch(gid)
    if found is None or int(found[2]) > _LARGEST:
        raise ValueError(f"not a Shopify gid: {gid[:100]!r}")
    return int(found[2])


def number_or_none(value: object) -> int | None:
    """Return the id of a gid, a number or a text of digits; None for everything else.

    In webhook bodies an id can be a number, a text or a gid, and a foreign body can have anything instead.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return _number_in(value)
    return value if isinstance(value, int) and 0 < value <= _LARGEST else None


def _number_in(text: str) -> int | None:
    try:
        return int(text) if re.fullmatch(r"[1-9]\d{0,17}", text, re.ASCII) else number(text) or None
    except ValueError:
        return None


def id_in(body: Mapping[str, Any]) -> int | None:
    """Return the id of the thing that a webhook body shows, or None.

    It is read from the gid if there is one: where JavaScript was in between, large numbers are rounded.
    """
    return number_or_none(body.get("admin_graphql_api_id")) or number_or_none(body.get("id"))
