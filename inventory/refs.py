"""References to the stock of an item at a warehouse, of a shop, and of a connection."""

from __future__ import annotations

from typing import NamedTuple

from ops import refs
from ops.refs import ParkKey, Subject
from shops.ids import ShopPk
from wms.ids import WarehousePk


class StockRef(NamedTuple):
    """An item at a warehouse."""

    warehouse_pk: WarehousePk
    item_code: str


def stock_key(warehouse_pk: WarehousePk, item_code: str) -> ParkKey:
    """Return the park key of orders that wait for free units of an item at a warehouse."""
    return ParkKey(f"stock:{warehouse_pk}:{item_code}")


def parse_stock(key: str) -> StockRef | None:
    """Return the item and the warehouse that a park key names; None if it names something else."""
    parts = refs.parts_of(key, "stock", 2)
    number = refs.number_in(parts[0]) if parts else None
    return StockRef(WarehousePk(number), parts[1]) if parts and number is not None else None


def stock_subject(shop_pk: ShopPk) -> Subject:
    """Return the subject of pushing stock to a shop."""
    return Subject(f"stock:{shop_pk}")


def reconcile_subject(slug: str) -> Subject:
    """Return the subject of reading the stock of a connection."""
    return Subject(f"reconcile:{slug}")
