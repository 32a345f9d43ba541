"""The actors of the demo: customers, merchants, suppliers, warehouse workers and one operator."""

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
from wmsbridge.demo.scenarios import Scenario, Shipping
from wmsbridge.demo.world import STORES, Variant

FIRST_ORDERS = 10
OPENING_INTERVAL, INTERVAL = 0.8, 2.0
"""Seconds between two orders: first for the opening orders, then for all others."""

MOST_ON_THE_WAY = 12
"""With this many orders on their way to a warehouse no further order is placed, so that a small machine keeps up."""

WORK_SECONDS = 0.8
"""The seconds between picking, packing and shipping."""

SECOND_PARCEL_SECONDS = 2.5
MAPPING_SECONDS = 8.0
"""The operator maps an unmapped SKU this many seconds after it was ordered."""

SUPPLIER_INTERVAL = 6.0
CARRIERS = ("dhl", "dpd", "gls", "ups")


@dataclass
class PlacedOrder:
    """An order that a customer placed."""

    scenario: Scenario
    order_id: int
    name: str

    @property
    def key(self) -> tuple[str, int]:
        """The domain of the shop, and Shopify's id of the order."""
        return self.scenario.store.domain, self.order_id


@dataclass
class Actors:
    """Plays the scenarios. Each call of `step` does everything that is due, and never waits."""

    sandbox: Sandbox
    scenarios: Iterator[Scenario]
    rng: random.Random
    placed: dict[tuple[str, int], PlacedOrder] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    _schedule: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _sequence: Iterator[int] = field(default_factory=itertools.count)
    _seen: set[int] = field(default_factory=set)
    _ordering: bool = True

    def open(self) -> None:
        """Begin: the first customer orders now."""
        self._later(0, self._customer)
        self._later(SUPPLIER_INTERVAL, self._supplier)

    def close(self) -> None:
        """Let no further customer or supplier come. What has begun goes on."""
        self._ordering = False

    def step(self) -> None:
        """Do everything that is due now."""
        self._begin_arrived_orders()
        while self._schedule and self._schedule[0][0] <= time.monotonic():
            _, _, act = heapq.heappop(self._schedule)
            try:
                act()
            except requests.RequestException as problem:
                self.failures.append(str(problem))

    @property
    def idle(self) -> bool:
        """Whether no actor has anything left to do."""
        return not self._schedule

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._schedule, (time.monotonic() + seconds, next(self._sequence), act))

    # --- At Shopify ---

    def _customer(self) -> None:
        """Place the next order, unless too many are on their way, and plan what the merchant and the operator do about
        it."""
        if not self._ordering:
            return
        self._later(OPENING_INTERVAL if len(self.placed) < FIRST_ORDERS else INTERVAL, self._customer)
        if self._on_their_way() >= MOST_ON_THE_WAY:
            return
        scenario = next(self.scenarios)
        domain = scenario.store.domain
        made = self.sandbox.place(domain, scenario.order)
        placed = PlacedOrder(scenario, int(made["id"]), str(made["name"]))
        self.placed[placed.key] = placed
        if scenario.after_placing:
            verb, seconds = scenario.after_placing
            self._later(seconds, partial(self.sandbox.order, domain, placed.order_id, verb))
        if scenario.unmapped:
            self._later(MAPPING_SECONDS, partial(self._operator_maps, scenario.unmapped, domain))

    def _on_their_way(self) -> int:
        """Count the orders that the application has not heard of yet, or has not brought to a warehouse yet."""
        heard = Order.objects.count()
        return len(self.placed) - heard + Order.objects.filter(state=OrderState.READY).count()

    def _supplier(self) -> None:
        """Goods come in now and then, so that there are stock events."""
        if not self._ordering:
            return
        self._later(SUPPLIER_INTERVAL, self._supplier)
        store = self.rng.choice(STORES)
        warehouse, variant = self.rng.choice(store.warehouses), self.rng.choice(store.variants)
        self.sandbox.receive_goods(warehouse.connection, warehouse.code, variant.parts[0][0], 20)

    # --- In the console ---

    def _operator_maps(self, variant: Variant, domain: str) -> None:
        """Map a variant at every warehouse of the shop, as saving the form in the admin does."""
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

    def _begin_arrived_orders(self) -> None:
        """Begin the work on each order that has arrived at a WMS."""
        arrived = WmsOrder.objects.filter(wms_status=WmsStatus.ACCEPTED).exclude(id__in=list(self._seen))
        for wms_order in arrived.select_related("order__shop", "warehouse__connection"):
            self._seen.add(wms_order.id)
            placed = self.placed.get((wms_order.order.shop.domain, wms_order.order.shopify_order_id))
            if placed is not None:
                self._begin(placed, wms_order)

    def _begin(self, placed: PlacedOrder, wms_order: WmsOrder) -> None:
        """Plan what happens to an order at the warehouse: picking, packing and the parcels of its scenario."""
        scenario = placed.scenario
        if scenario.at_warehouse:
            verb, seconds = scenario.at_warehouse
            self._later(seconds, partial(self.sandbox.order, scenario.store.domain, placed.order_id, verb))
        if scenario.shipping is Shipping.NEVER:
            return
        slug, wms_id = wms_order.warehouse.connection.slug, wms_order.remote_id
        self._later(WORK_SECONDS, partial(self.sandbox.work, slug, wms_id, "pick"))
        self._later(2 * WORK_SECONDS, partial(self.sandbox.work, slug, wms_id, "pack"))
        first = list(wms_order.lines.order_by("id").values_list("item_code", "quantity")[:1])
        whole = scenario.shipping is Shipping.WHOLE
        self._later(3 * WORK_SECONDS, partial(self._ship, slug, wms_id, None if whole else first))
        if scenario.shipping is Shipping.TWO:
            self._later(3 * WORK_SECONDS + SECOND_PARCEL_SECONDS, partial(self._ship, slug, wms_id, None))

    def _ship(self, slug: str, remote_id: str, goods: list[tuple[str, int]] | None) -> None:
        """Ship a parcel with these goods. `None` means everything that is left of the order."""
        items = None if goods is None else [{"wmsItemCode": item, "quantity": count} for item, count in goods]
        tracking = f"TRK{self.rng.randrange(10**9):09}"
        carrier = self.rng.choice(CARRIERS)
        body = {"items": items, "trackingNumber": tracking, "carrierCode": carrier}
        self.sandbox.work(slug, remote_id, "ship", body)
