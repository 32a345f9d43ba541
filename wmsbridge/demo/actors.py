"""Customers, merchants, warehouse workers and one operator: who does what in the demo, and when."""

from __future__ import annotations

import heapq
import itertools
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import requests
from django.db import transaction

from fulfillment.models import Order, WmsOrder
from fulfillment.models.states import OrderState
from shops.ids import InventoryItemId, VariantId
from skumap.models import SkuMapping
from skumap.verification import review
from wms.models import Warehouse
from wms.vocabulary.statuses import WmsStatus
from wmsbridge.demo.sandbox_api import Sandbox
from wmsbridge.demo.scenarios import Plot, Shipping
from wmsbridge.demo.world import STORES, Variant

FIRST_ORDERS = 10
EARLY_PACE, PACE = 0.8, 2.0
"""Seconds between orders: the opening's, and those after it."""

QUEUE = 12
"""Orders on their way to a warehouse at which no further customer comes: a small machine sets its own pace."""

WORK = 0.8
"""Seconds between picking, packing and shipping."""

SECOND_PARCEL = 2.5
MAPPED_AFTER = 8.0
"""Seconds until the operator maps the SKU that nobody knew."""

SUPPLIER_PACE = 6.0
CARRIERS = ("dhl", "dpd", "gls", "ups")


@dataclass
class Placed:
    """An order that a customer has placed."""

    plot: Plot
    order_id: int
    name: str

    @property
    def key(self) -> tuple[str, int]:
        """Domain and Shopify's id."""
        return self.plot.store.domain, self.order_id


@dataclass
class People:
    """Acts out the stories. `step` does what is due; nothing waits."""

    sandbox: Sandbox
    stories: Iterator[Plot]
    chance: random.Random
    placed: dict[tuple[str, int], Placed] = field(default_factory=dict)
    mishaps: list[str] = field(default_factory=list)
    _agenda: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _turns: Iterator[int] = field(default_factory=itertools.count)
    _seen: set[int] = field(default_factory=set)
    _ordering: bool = True

    def open(self) -> None:
        """The first customer comes now."""
        self._later(0, self._customer)
        self._later(SUPPLIER_PACE, self._supplier)

    def close(self) -> None:
        """No customer and no supplier comes any more; what was begun goes on."""
        self._ordering = False

    def step(self) -> None:
        """Do everything that is due now."""
        self._look_at_warehouses()
        while self._agenda and self._agenda[0][0] <= time.monotonic():
            _, _, act = heapq.heappop(self._agenda)
            try:
                act()
            except requests.RequestException as problem:
                self.mishaps.append(str(problem))

    @property
    def idle(self) -> bool:
        """Whether nobody has anything left to do."""
        return not self._agenda

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (time.monotonic() + seconds, next(self._turns), act))

    # --- At Shopify ---

    def _customer(self) -> None:
        if not self._ordering:
            return
        self._later(EARLY_PACE if len(self.placed) < FIRST_ORDERS else PACE, self._customer)
        if self._on_their_way() >= QUEUE:
            return
        plot = next(self.stories)
        domain = plot.store.domain
        made = self.sandbox.place(domain, plot.order)
        placed = Placed(plot, int(made["id"]), str(made["name"]))
        self.placed[placed.key] = placed
        if plot.after_placing:
            verb, seconds = plot.after_placing
            self._later(seconds, partial(self.sandbox.order, domain, placed.order_id, verb))
        if plot.unmapped:
            self._later(MAPPED_AFTER, partial(self._operator_maps, plot.unmapped, domain))

    def _on_their_way(self) -> int:
        """Orders that the application has not heard of yet or has not brought to a warehouse."""
        heard = Order.objects.count()
        return len(self.placed) - heard + Order.objects.filter(state=OrderState.READY).count()

    def _supplier(self) -> None:
        """Now and then goods come in: stock events flow."""
        if not self._ordering:
            return
        self._later(SUPPLIER_PACE, self._supplier)
        store = self.chance.choice(STORES)
        house, variant = self.chance.choice(store.houses), self.chance.choice(store.variants)
        self.sandbox.receive_goods(house.connection, house.code, variant.parts[0][0], 20)

    # --- In the console ---

    def _operator_maps(self, variant: Variant, domain: str) -> None:
        """What saving the form in the admin does, for every warehouse of the shop."""
        with transaction.atomic():
            mappings = [
                SkuMapping.objects.create(
                    shop_id=warehouse.shop_id,
                    warehouse=warehouse,
                    shopify_variant_id=VariantId(variant.id),
                    shopify_sku=variant.sku,
                    shopify_inventory_item_id=InventoryItemId(variant.inventory_item_id),
                    wms_item_code=item,
                    quantity=quantity,
                )
                for warehouse in Warehouse.objects.filter(shop__domain=domain)
                for item, quantity in variant.parts
            ]
            review.mapping_saved(mappings)

    # --- At the warehouses ---

    def _look_at_warehouses(self) -> None:
        """Work begins on each order that has come to a WMS."""
        arrived = WmsOrder.objects.filter(wms_status=WmsStatus.ACCEPTED).exclude(id__in=list(self._seen))
        for wms_order in arrived.select_related("order__shop", "warehouse__connection"):
            self._seen.add(wms_order.id)
            placed = self.placed.get((wms_order.order.shop.domain, wms_order.order.shopify_order_id))
            if placed is not None:
                self._begin(placed, wms_order)

    def _begin(self, placed: Placed, wms_order: WmsOrder) -> None:
        plot = placed.plot
        if plot.at_warehouse:
            verb, seconds = plot.at_warehouse
            self._later(seconds, partial(self.sandbox.order, plot.store.domain, placed.order_id, verb))
        if plot.shipping is Shipping.NEVER:
            return
        slug, wms_id = wms_order.warehouse.connection.slug, wms_order.remote_id
        self._later(WORK, partial(self.sandbox.work, slug, wms_id, "pick"))
        self._later(2 * WORK, partial(self.sandbox.work, slug, wms_id, "pack"))
        first = list(wms_order.lines.order_by("id").values_list("item_code", "quantity")[:1])
        whole = plot.shipping is Shipping.WHOLE
        self._later(3 * WORK, partial(self._ship, slug, wms_id, None if whole else first))
        if plot.shipping is Shipping.TWO:
            self._later(3 * WORK + SECOND_PARCEL, partial(self._ship, slug, wms_id, None))

    def _ship(self, slug: str, remote_id: str, goods: list[tuple[str, int]] | None) -> None:
        """A parcel leaves: all that is left, or these goods."""
        items = None if goods is None else [{"wmsItemCode": item, "quantity": count} for item, count in goods]
        tracking = f"TRK{self.chance.randrange(10**9):09}"
        carrier = self.chance.choice(CARRIERS)
        body = {"items": items, "trackingNumber": tracking, "carrierCode": carrier}
        self.sandbox.work(slug, remote_id, "ship", body)
