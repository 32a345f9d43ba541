"""Computes the quantities that Shopify should have, from what both sides know. The functions are pure.

A variant is sold in units of its own; stock is kept in WMS item units. One item may be part of several variants (a
single mug, a box of six, a gift set). So the sum is made per item: units that are taken for one variant are not
free for the others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shops.ids import InventoryItemId
from wms.models import Connection

MOST_UNITS = 1_000_000_000
"""The largest quantity that Shopify accepts (Admin API 2026-10, INVALID_QUANTITY_TOO_HIGH)."""


@dataclass(frozen=True)
class Stock:
    """One level, in WMS item units."""

    level_id: int
    item_code: str
    quantity: int  # reported by the WMS, by the connection's basis
    netted: int  # reserved, and the quantity is already without them
    pending: int  # reserved, and the quantity still contains them
    in_transit_out: int  # left the warehouse, and the quantity still contains them
    reserved_by_others: int  # reserved by other shops that sell from the same shelf
    commitments: int  # committed at Shopify for orders that this warehouse was given
    marked_at: datetime | None  # the mark that a push of this level clears


@dataclass(frozen=True)
class Product:
    """One Shopify inventory item at this warehouse, and the WMS items that make one unit of it."""

    inventory_item: InventoryItemId
    components: tuple[tuple[str, int], ...]  # (item code, units)
    mapping_id: int
    label: str


@dataclass(frozen=True)
class Reading:
    """The state of an inventory item at the location, as Shopify reports it."""

    tracked: bool
    active: bool
    available: int = 0
    committed: int = 0
    on_hand: int = 0


@dataclass(frozen=True)
class Change:
    """A quantity to set if it still is `change_from`; None = the item is not stocked at the location yet."""

    product: Product
    quantity: int
    change_from: int | None


@dataclass(frozen=True)
class Decision:
    """The quantities to set at one location."""

    changes: tuple[Change, ...] = ()
    activations: tuple[Change, ...] = ()
    unknown: tuple[Product, ...] = ()  # Shopify has no such inventory item
    offered: Mapping[int, int] = field(default_factory=dict)  # level id -> item units that Shopify then has


def decide(
    basis: str,
    *,
    targets: Collection[Product],
    sharing: Iterable[Product],
    stocks: Collection[Stock],
    readings: Mapping[InventoryItemId, Reading],
) -> Decision:
    """Compare the quantities that Shopify should have of `targets` with those that it has.

    `sharing` are all products that use any item of the targets (also the targets themselves), `stocks` the levels of
    those items, and `readings` are by inventory item. Items that Shopify does not track are left alone.
    """
    demand = _demand(sharing, readings)
    sellable = {stock.item_code: _sellable(stock, demand[stock.item_code], basis) for stock in stocks}
    changes, activations, unknown = [], [], []
    for product in targets:
        reading = readings.get(product.inventory_item)
        if reading is None:
            unknown.append(product)
        elif reading.tracked:
            wanted = _quantity(product, sellable, reading, basis)
            is_now = reading.on_hand if basis == Connection.StockBasis.ON_HAND else reading.available
            if not reading.active:
                activations.append(Change(product, wanted, None))
            elif wanted != is_now:
                changes.append(Change(product, wanted, is_now))
    included = demand if basis == Connection.StockBasis.ON_HAND else defaultdict[str, int](int)
    offered = {s.level_id: max(0, sellable[s.item_code] + included[s.item_code]) for s in stocks}
    return Decision(tuple(changes), tuple(activations), tuple(unknown), offered)


def _demand(sharing: Iterable[Product], readings: Mapping[InventoryItemId, Reading]) -> defaultdict[str, int]:
    """Return the item units that Shopify has committed at the location for orders that are not fulfilled."""
    demand: defaultdict[str, int] = defaultdict(int)
    for product in {product.inventory_item: product for product in sharing}.values():
        reading = readings.get(product.inventory_item)
        if reading is not None and reading.tracked:
            for item, units in product.components:
                demand[item] += max(0, reading.committed) * units
    return demand


def _sellable(stock: Stock, demand: int, basis: str) -> int:
    """Return the item units that no order has, by what both sides know; below 0 the item is oversold.

    From the quantity we subtract the units of all orders that it still contains, and what Shopify has committed for
    orders that this warehouse was not given (unpaid, on hold, not routed yet). What Shopify has committed for orders
    that the warehouse was given is in `commitments`: it is already subtracted as reserved, netted or in transit. An
    on-hand quantity still contains all open orders, so netted reservations are subtracted too.
    """
    reserved = stock.pending + (stock.netted if basis == Connection.StockBasis.ON_HAND else 0)
    not_given = max(0, demand - stock.commitments)
    return stock.quantity - reserved - not_given - stock.in_transit_out - stock.reserved_by_others


def _quantity(product: Product, sellable: Mapping[str, int], reading: Reading, basis: str) -> int:
    """Return the units of the product that its scarcest component allows; 0 if a component was never observed."""
    units = min(sellable.get(item, 0) // each for item, each in product.components)
    if basis == Connection.StockBasis.ON_HAND:
        units += reading.committed
    return min(max(0, units), MOST_UNITS)
