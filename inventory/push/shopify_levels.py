"""Reads stock levels from Shopify. It writes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import islice

from inventory.push.push_plan import Reading
from ops.models import Priority
from shops.api import client
from shops.api.gids import gid
from shops.api.shapes import InventoryItemGid, Level, Shape, parse
from shops.ids import InventoryItemId, LocationId
from shops.models import Shop

READ_SIZE = 125
"""Inventory items per read: each costs 3 to 5 points, and one query may cost 1000 (Admin API, rate limits)."""


class _Quantity(Shape):
    name: str
    quantity: Level


class _Level(Shape):
    is_active: bool
    quantities: tuple[_Quantity, ...]


class _Item(Shape):
    id: InventoryItemGid
    tracked: bool
    inventory_level: _Level | None


class _Items(Shape):
    nodes: tuple[_Item | None, ...]


def read(
    shop: Shop, *, location: LocationId, inventory_items: Collection[InventoryItemId]
) -> dict[InventoryItemId, Reading]:
    """Return Shopify's state of each inventory item at the location; items that Shopify does not have are missing.

    Admin API 2026-10 `nodes`, `InventoryItem.inventoryLevel(includeInactive:)`. Raises as `shops.api.client.execute`.
    """
    found: dict[InventoryItemId, Reading] = {}
    for some in _chunks(sorted(set(inventory_items))):
        variables = {
            "ids": [gid("InventoryItem", each) for each in some],
            "location": gid("Location", location),
        }
        data = client.execute(shop, "inventory_levels", variables, priority=Priority.HIGH).data
        found |= {item.id: _reading(item) for item in parse(_Items, data).nodes if item}
    return found


def _chunks(items: list[InventoryItemId]) -> Iterator[list[InventoryItemId]]:
    rest = iter(items)
    while some := list(islice(rest, READ_SIZE)):
        yield some


def _reading(item: _Item) -> Reading:
    level = item.inventory_level
    if level is None:
        return Reading(tracked=item.tracked, active=False)
    known = {each.name: each.quantity for each in level.quantities}
    return Reading(
        tracked=item.tracked,
        active=level.is_active,
        available=known.get("available", 0),
        committed=known.get("committed", 0),
        on_hand=known.get("on_hand", 0),
    )
