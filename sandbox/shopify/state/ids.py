"""The ids of Shopify's objects: numbers in REST and in the control API, gids in GraphQL."""

import itertools

FIRST_IDS = {
    "Order": 5_000_000_000_001,
    "LineItem": 13_000_000_000_001,
    "FulfillmentOrder": 6_000_000_000_001,
    "FulfillmentOrderLineItem": 14_000_000_000_001,
    "Fulfillment": 4_000_000_000_001,
    "FulfillmentHold": 700_000_001,
    "FulfillmentLineItem": 15_000_000_000_001,
    "WebhookSubscription": 1_100_000_000_001,
    "OrderEdit": 90_000_001,
    "InventoryAdjustmentGroup": 80_000_001,
    "Shop": 60_000_001,
}
counters = {kind: itertools.count(first) for kind, first in FIRST_IDS.items()}


def new_id(kind: str) -> int:
    """Returns the next number of a kind. No two shops of the process have the same number."""
    return next(counters[kind])


def gid(kind: str, number: int | str) -> str:
    """Returns gid://shopify/<kind>/<number>."""
    return f"gid://shopify/{kind}/{number}"


def number(text: str) -> int:
    """Returns the number at the end of a gid, or 0 when there is none."""
    tail = str(text).rsplit("/", 1)[-1].split("?", 1)[0]
    return int(tail) if tail.isdigit() else 0
