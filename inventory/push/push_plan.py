"""What Shopify should be told, worked out from what both sides know. Pure.

A variant sells in units of its own; stock lies in WMS item units. One item may be part of several variants (a single
mug, a box of six, a gift set), so the sum is made per item: what of it is spoken for, by any variant, is gone for all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from wms.models import Connection

MOST_UNITS = 1_000_000_000
"""Admin API 2026-10: a quantity above is INVALID_QUANTITY_TOO_HIGH."""


@dataclass(frozen=True)
class Stock:
    """One level, in WMS item units."""

    level_id: int
    item_code: str
    figure: int  # what the WMS says, by the connection's basis
    counted: int  # promised, and the figure is net of it
    held: int  # promised, and the figure does not know
    gone: int  # left the warehouse, and the figure does not know
    elsewhere: int  # promised to other shops from the same shelf
    known: int  # committed at Shopify for orders that this warehouse was given
    marked_at: datetime | None  # the mark that a push of this clears


@dataclass(frozen=True)
class Product:
    """One Shopify inventory item at this warehouse: one unit is made of these WMS items."""

    inventory_item: int
    components: tuple[tuple[str, int], ...]  # (item code, units)
    mapping_id: int
    label: str


@dataclass(frozen=True)
class Reading:
    """What Shopify says of an inventory item at the location."""

    tracked: bool
    active: bool
    available: int = 0
    committed: int = 0
    on_hand: int = 0


@dataclass(frozen=True)
class Change:
    """One quantity to be set, provided that it still is `change_from`; None = the item is not stocked there yet."""

    product: Product
    quantity: int
    change_from: int | None


@dataclass(frozen=True)
class Decision:
    """What to tell Shopify about one location."""

    changes: tuple[Change, ...] = ()
    activations: tuple[Change, ...] = ()
    unknown: tuple[Product, ...] = ()  # Shopify has no such inventory item
    told: Mapping[int, int] = field(default_factory=dict)  # level id -> item units that Shopify offers of it


def decide(
    basis: str,
    *,
    targets: Collection[Product],
    sharing: Iterable[Product],
    stocks: Collection[Stock],
    readings: Mapping[int, Reading],
) -> Decision:
    """Compare what Shopify should say of `targets` with what it says.

    `sharing` = every product that uses any item of the targets (targets among them), `stocks` = the levels of those
    items, `readings` by inventory item. Items that Shopify does not track are left alone.
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
    offered = demand if basis == Connection.StockBasis.ON_HAND else defaultdict[str, int](int)
    told = {s.level_id: max(0, sellable[s.item_code] + offered[s.item_code]) for s in stocks}
    return Decision(tuple(changes), tuple(activations), tuple(unknown), told)


def _demand(sharing: Iterable[Product], readings: Mapping[int, Reading]) -> defaultdict[str, int]:
    """Item code -> units in orders that Shopify has committed at the location and not fulfilled."""
    demand: defaultdict[str, int] = defaultdict(int)
    for product in {product.inventory_item: product for product in sharing}.values():
        reading = readings.get(product.inventory_item)
        if reading is not None and reading.tracked:
            for item, units in product.components:
                demand[item] += max(0, reading.committed) * units
    return demand


def _sellable(stock: Stock, demand: int, basis: str) -> int:
    """Units of the item that nobody has been promised, by what either side knows; below 0 = oversold.

    Off the figure go: what was promised and the figure does not know; and what Shopify has committed for orders that
    this warehouse was not given (unpaid, held, on the way). What it has committed for the others is `known`: it is
    promised, or in the figure, or gone, and counts there. On hand, the figure knows of no open order.
    """
    promised = stock.held + (stock.counted if basis == Connection.StockBasis.ON_HAND else 0)
    with_nobody = max(0, demand - stock.known)
    return stock.figure - promised - with_nobody - stock.gone - stock.elsewhere


def _quantity(product: Product, sellable: Mapping[str, int], reading: Reading, basis: str) -> int:
    """Units of the product: as many as its scarcest component allows; 0 when one was never observed."""
    units = min(sellable.get(item, 0) // each for item, each in product.components)
    if basis == Connection.StockBasis.ON_HAND:
        units += reading.committed
    return min(max(0, units), MOST_UNITS)
