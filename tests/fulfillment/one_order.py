"""One order on its way to one warehouse: everything that can happen to it, and what must hold whatever does."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Q, Sum
from django.db.models.functions import Now
from django.utils import timezone

from fulfillment import jobs as fulfillment_jobs
from fulfillment import order_states, wms_order_states
from fulfillment.models import (
    FulfillmentOrder,
    FulfillmentOrderLine,
    Order,
    OrderLine,
    Return,
    WmsOrder,
)
from fulfillment.models.states import OrderState, Outcome, Reason, ReturnState
from fulfillment.orders import order_changes
from fulfillment.orders.stored import stored_orders
from fulfillment.readiness import READY, Verdict
from fulfillment.wms_orders import attempts, manual_resolution, submission
from inventory.models import Reservation, StockLevel
from ops import idempotency, redis
from ops.models import Alert, Job, Lane
from ops.queue import jobs
from ops.workers import dispatch, leases
from shops.ids import FulfillmentOrderLineId, ShopifyLineId, VariantId
from skumap.models import SkuMapping
from skumap.verification import review
from tests import workers
from tests.builders import make_connection, make_level, make_mapping, make_shop, make_warehouse
from tests.fulfillment.fake_wms import GONE, FakeWms
from tests.fulfillment.order_rows import ordered
from tests.fulfillment.scene import LATER
from wms.adapters.base import Capability
from wms.ids import RemoteReturnId

numbers = itertools.count(1)
OTHERS = frozenset({Capability.CANCEL_ORDER, Capability.RETURNS})
ALERT_OF = {
    Reason.WMS_REJECTED: "wms_rejected",
    Reason.WMS_CANCELLED: "wms_cancelled",
    Reason.OUTCOME_UNKNOWN: "outcome_unknown",
    Reason.UNMAPPED_SKU: "unmapped_sku",
    Reason.NO_WAREHOUSE: "no_warehouse",
}
PLACES = {
    "before T4": (submission, "begin"),
    "after T4": (idempotency, "_acquire"),
    "before T5": (submission, "record_acceptance"),
    "before a refusal is stored": (attempts, "record_refusal"),
    "before it is taken back": (attempts, "mark_not_sent"),
    "before a person is asked": (attempts, "escalate"),
    "before an absent one is ended": (attempts, "end_absent"),
    "after T5": (workers, "finish"),
    "before the retry": (leases, "retry"),
}
"""Where a worker can be killed or stand still, besides in a call."""
LOOKS_LATER = ("fulfillment.expect_cancellation",)
"""What looks after an hour whether something came: nothing waits for it."""


class OneOrder:
    """One order, one warehouse, and a WMS that can do what `can` says. Workers run in `self.workers`."""

    def __init__(self, can: frozenset[Capability], running: workers.Workers) -> None:
        self.workers = running
        shop = make_shop(f"shop-{next(numbers)}.myshopify.com")
        Lane.objects.create(name=shop.lane, paused=True)  # Shopify is not there
        self.connection = make_connection(f"wms-{next(numbers)}", capabilities=[*can | OTHERS])
        self.warehouse = make_warehouse(shop, self.connection)
        for variant, item in ((11, "MUG"), (12, "TEE")):
            make_mapping(self.warehouse, variant, item)
            make_level(self.warehouse, item, 100)
        self.wms = FakeWms(can | OTHERS)
        self.order = ordered(shop)
        fulfillment_jobs.wms_orders.route(self.order)

    def rows(self) -> list[WmsOrder]:
        return list(WmsOrder.objects.filter(order=self.order).order_by("part"))

    def now(self) -> Order:
        return Order.objects.get(id=self.order.id)

    # What happens to workers

    def work(self, *faults: str, at: str = "", befalls: str = "die") -> None:
        """Due jobs run; `faults` befall their calls, in turn, and the first that comes `at` a place dies or hangs."""
        self.wms.faults[:] = faults
        with self.wms.online(), self.once(at, befalls) if at else ExitStack():
            self.workers.work()

    @contextmanager
    def once(self, at: str, befalls: str) -> Iterator[None]:
        module, name = PLACES[at]
        with mock.patch.object(module, name, workers.once(getattr(module, name), getattr(workers, befalls))):
            yield

    def waits_pass(self) -> None:
        """Back-offs and rests are over."""
        Job.objects.filter(state="ready").update(run_at=F("run_at") - LATER)
        Lane.objects.update(open_until=F("open_until") - LATER)

    def leases_run_out(self) -> None:
        """Whoever runs now lost its lease, dead or not."""
        Job.objects.filter(state="running").update(lease_until=Now() - workers.LEASE)
        dispatch.recover()

    def claims_run_out(self) -> None:
        """The guard in Redis forgets the work of dead workers."""
        for key in redis.client().scan_iter("wmsbridge:claim:*"):
            if redis.client().get(key) == idempotency.GuardState.BUSY:
                redis.client().delete(key)

    def redis_is_emptied(self) -> None:
        redis.client().flushdb()

    def a_hung_one_goes_on(self, *faults: str) -> None:
        if self.workers.hung:
            self.wms.faults[:] = faults
            with self.wms.online():
                self.workers.go_on(0)

    def time_passes(self) -> None:
        """So much that nothing can be under way any more: no request, and no worker beyond its hard limit."""
        while self.workers.hung:
            self.workers.kill(0)
        self.wms.arrive()
        self.leases_run_out()
        self.claims_run_out()
        self.waits_pass()
        WmsOrder.objects.filter(order=self.order).update(attempt_at=F("attempt_at") - attempts.SETTLE_TIME)
        Return.objects.filter(wms_order__order=self.order).update(
            attempt_at=F("attempt_at") - attempts.SETTLE_TIME
        )

    def a_message_comes_twice(self) -> None:
        for row in self.rows():
            fulfillment_jobs.wms_orders.submit(row)
        fulfillment_jobs.wms_orders.route(self.order)

    # What happens at Shopify; each is what a reading of the order does

    def read(self, verdict: Verdict = READY, **changed: Any) -> None:
        with transaction.atomic():
            order = order_states.lock(self.order.id)
            Order.objects.filter(id=order.id).update(**changed)
            order.refresh_from_db()
            address_changed = "ship_to" in changed
            order_changes.apply(order, verdict, stored_orders.read(order), address_changed=address_changed)

    def the_customer_cancels(self) -> None:
        self.read(Verdict(OrderState.CANCELLED), cancelled_at=timezone.now())

    def a_line_is_added(self) -> None:
        """Once."""
        if self.order.lines.count() > 1 or self.now().cancelled_at:
            return
        number = self.order.shopify_order_id + 7
        line = OrderLine.objects.create(
            order=self.order,
            shopify_line_id=ShopifyLineId(number),
            shopify_variant_id=VariantId(12),
            sku="SKU-TEE",
            quantity=1,
        )
        FulfillmentOrderLine.objects.create(
            fulfillment_order=FulfillmentOrder.objects.get(order=self.order),
            shopify_line_id=FulfillmentOrderLineId(number),
            order_line=line,
            total_quantity=1,
            remaining_quantity=1,
        )
        self.read()

    def the_address_is_corrected(self) -> None:
        if not self.now().cancelled_at:
            self.read(ship_to=self.order.ship_to.replace("Main", "Maine"))

    def shopify_holds_it(self, holds: bool) -> None:
        if self.now().cancelled_at:
            return
        FulfillmentOrder.objects.filter(order=self.order).update(status="ON_HOLD" if holds else "OPEN")
        self.read(Verdict(OrderState.WAITING, Reason.ON_HOLD) if holds else READY)

    def the_sku_is_mapped(self, mapped: bool) -> None:
        SkuMapping.objects.filter(warehouse=self.warehouse).update(is_active=mapped)
        with transaction.atomic():
            review.mapping_saved(SkuMapping.objects.filter(warehouse=self.warehouse))

    # What happens at the warehouse

    def the_warehouse_goes_on(self, reports: bool) -> None:
        for order in self.wms.live():
            order["status"] = "packed" if order["status"] == "picking" else "picking"
            if reports:
                self.report(order)

    def the_warehouse_cancels(self, reports: bool) -> None:
        for order in self.wms.live():
            if order["status"] not in GONE:
                order["status"] = "cancelled"
                if reports:
                    self.report(order)

    def report(self, order: dict[str, Any]) -> None:
        """The callback may be faster than our own call's return."""
        jobs.NewJob(
            "wms.order_status",
            key=f"told:{next(numbers)}",
            lane=self.connection.inbox_lane,
            payload={
                "connection": self.connection.id,
                "occurred_at": timezone.now().isoformat(),
                "data": {"wmsOrderId": order["id"], "status": order["status"]},
            },
        ).enqueue()

    # What people do

    def a_person_looks(self) -> None:
        """Decides what only a person can know, truly; has refused and cancelled orders sent again; replays."""
        user, _ = User.objects.get_or_create(username="ada")
        for row in [row for row in self.rows() if row.outcome == Outcome.UNKNOWN]:
            self.time_passes()
            there = [order["id"] for order in self.wms.orders if order["externalOrderId"] == row.external_id]
            if there:
                manual_resolution.confirm_present(row.id, as_id=there[0], user_id=user.id)
            else:
                manual_resolution.confirm_absent(row.id, user_id=user.id)
        for back in Return.objects.filter(wms_order__order=self.order, state=ReturnState.UNKNOWN):
            self.time_passes()
            ref = back.wms_order.remote_id
            if ref in self.wms.returns:
                manual_resolution.confirm_return_present(
                    back.id, as_id=RemoteReturnId(f"R{ref}"), user_id=user.id
                )
            else:
                manual_resolution.confirm_return_absent(back.id, user_id=user.id)
        manual_resolution.route_again(self.order.id)
        self.read(READY if not self.now().cancelled_at else Verdict(OrderState.CANCELLED))
        jobs.replay(Job.objects.filter(state="dead").values_list("id", flat=True))

    # What must hold

    def check(self) -> None:
        """At any moment."""
        live = Counter(order["externalOrderId"] for order in self.wms.live())
        assert all(count == 1 for count in live.values()), f"doubled: {live}"
        assert all(units <= self.wanted()[item] for item, units in self.units_at_the_wms().items())
        held = Sum("reservations__quantity", filter=Q(reservations__state="held"))
        for level in StockLevel.objects.filter(warehouse=self.warehouse).annotate(held=held):
            assert level.reserved == (level.held or 0)
        order = self.now()
        if order.state == OrderState.HELD and not self.is_about_to_be_routed():
            kind = ALERT_OF[Reason(order.reason)]
            assert Alert.objects.filter(state="open", kind=kind).exists(), f"in silence: {order.reason}"

    def is_about_to_be_routed(self) -> bool:
        """Its cause is gone and its alert closed, and the job that was woken by that has not run yet."""
        return Job.objects.filter(
            key=f"route:{self.order.id}", state__in=["ready", "running"], parked_on=[]
        ).exists()

    def wanted(self) -> Counter[str]:
        return Counter({line.sku.removeprefix("SKU-"): line.quantity for line in self.order.lines.all()})

    def units_at_the_wms(self) -> Counter[str]:
        units: Counter[str] = Counter()
        for order in self.wms.live():
            for line in order["lineItems"]:
                units[line["wmsItemCode"]] += line["quantity"]
        return units

    def settle(self) -> None:
        """In quiet times everything is at rest, and where it should be."""
        if FulfillmentOrder.objects.filter(order=self.order, status="ON_HOLD").exists():
            self.shopify_holds_it(False)
        for each in self.wms.orders:
            if each["status"] != "accepted":
                self.report(each)
        for _ in range(8):
            self.time_passes()
            self.work()
            self.check()
            if self.is_at_rest():
                break
            self.everybody_helps()
        else:
            raise AssertionError(f"not at rest: {self.describe()}")
        order = self.now()
        if order.cancelled_at:
            self.ends_cancelled(order)
        else:
            assert (order.state, self.units_at_the_wms()) == (OrderState.AT_WAREHOUSE, self.wanted())
        self.promises_are_exact()

    def everybody_helps(self) -> None:
        """Nothing holds the order back that a person or the warehouse could end."""
        self.the_sku_is_mapped(True)
        self.shopify_holds_it(False)
        self.a_person_looks()
        for each in self.wms.orders:
            self.report(each)

    def is_at_rest(self) -> bool:
        """No job waits, no WMS order is under way, both sides agree on what lives, and no person has to decide."""
        waiting = (
            Job.objects.exclude(state="done")
            .exclude(lane__paused=True)
            .exclude(kind__in=LOOKS_LATER)
            .exists()
        )
        ours = [row.remote_id for row in self.rows() if row.wms_status not in wms_order_states.ENDED]
        theirs = [order["id"] for order in self.wms.live()]
        held = self.now().state == OrderState.HELD
        return sorted(ours) == theirs and not (waiting or held or self.wms.on_its_way)

    def describe(self) -> str:
        order = self.now()
        rows = [(row.part, row.wms_status, row.outcome, row.remote_id) for row in self.rows()]
        left = Job.objects.exclude(state="done").exclude(lane__paused=True).exclude(kind__in=LOOKS_LATER)
        waiting = [(job.kind, job.state, job.parked_on, job.error) for job in left]
        return f"{order.state} {order.reason}; {rows}; WMS {self.wms.orders}; {waiting}"

    def ends_cancelled(self, order: Order) -> None:
        live = self.wms.live()
        if not live:
            assert order.state == OrderState.CANCELLED
        for each in live:
            row = WmsOrder.objects.get(order=order, remote_id=each["id"])
            assert row.cancel_requested_at
            if each["status"] in GONE:
                back = Return.objects.get(wms_order=row)
                assert each["id"] in self.wms.returns or back.state == ReturnState.FAILED

    def promises_are_exact(self) -> None:
        """What is promised is what live WMS orders ask for, to the unit."""
        rows = Reservation.objects.filter(level__warehouse=self.warehouse, shipped_at__isnull=True)
        promised = Counter(
            {(r.reference, r.level.item_code): r.quantity for r in rows.select_related("level")}
        )
        live = [row for row in self.rows() if row.wms_status not in wms_order_states.ENDED]
        assert promised == Counter(
            {(row.external_id, line.item_code): line.quantity for row in live for line in row.lines.all()}
        )
