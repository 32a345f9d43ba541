"""A call that is made all day, and the rows that such calls use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.tables.rows.inserting import Sizes
from fulfillment.models import Order, WmsOrder
from shops.models import Shop
from wms.models import Warehouse

FREQUENT = 20.0
"""The limit in milliseconds for a statement that runs for each webhook or job, or on a page."""

PAGE = 100.0
"""The limit for a list of the console. A person waits for it, and some lists count all work in progress."""

CHORE = 500.0
"""The limit for one batch of a chore, and for figures over a day. They run in the background."""


@dataclass(frozen=True)
class Call:
    """A call that is made all day. Each of its statements may take `limit` milliseconds."""

    name: str
    call: Callable[[], object]
    limit: float = FREQUENT


@dataclass(frozen=True)
class Sample:
    """The rows that the calls use."""

    shop: Shop
    deep_lane: str
    ready: Order
    at_warehouse: WmsOrder
    shipped: Order
    warehouse: Warehouse


def sample(sizes: Sizes) -> Sample:
    """Choose rows for the calls."""
    shop = Shop.objects.get(id=8)
    mine = Order.objects.select_related("shop").filter(shop=shop).order_by("-id")
    parts = WmsOrder.objects.select_related("warehouse__connection", "order__shop").order_by("-id")
    return Sample(
        shop=shop,
        deep_lane=shop.lane,
        ready=Order.objects.select_related("shop").filter(state="ready").order_by("-id")[0],
        at_warehouse=parts.filter(wms_status="accepted")[0],
        shipped=mine.filter(state="shipped", id__lt=sizes.orders - sizes.open_orders - 10)[0],
        warehouse=Warehouse.objects.select_related("connection").get(id=1 + 2 * 7),
    )
