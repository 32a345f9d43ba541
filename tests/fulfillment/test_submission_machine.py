"""Whatever is lost, killed or cancelled, whenever: never two live orders at the WMS, and all of it settles."""

from __future__ import annotations

import itertools
from unittest import mock

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from fulfillment import cancellation, decisions, enqueue, order_states, progress, submission
from fulfillment.models import Order, Return, WmsOrder
from fulfillment.states import OrderState, Outcome
from ops import jobs, leases
from ops.models import Job, Lane
from tests.builders import make_connection, make_level, make_mapping, make_shop, make_warehouse
from tests.drain import drain
from tests.fulfillment.fake_wms import GONE, FakeWms, Killed
from tests.fulfillment.scene import LATER
from tests.fulfillment.told import ordered
from wms import adapters
from wms.adapters.base import Capability
from wms.callbacks import OrderStatusEvent

numbers = itertools.count(1)
OTHERS = frozenset({Capability.CANCEL_ORDER, Capability.RETURNS})
FAULTS = (
    *("ok", "timeout_before", "timeout_after", "late", "killed_before", "killed_after"),
    *("refused", "throttled", "unreachable"),
)
STEPS: dict[str, list[tuple[str, ...]]] = {
    "work": [(fault, next_one) for fault in FAULTS for next_one in ("ok", "timeout_after", "refused")],
    "the_worker_is_killed_once_all_is_recorded": [()],
    "the_late_arrive": [()],
    "time_passes": [()],
    "a_message_comes_twice": [()],
    "the_customer_cancels": [()],
    "the_warehouse_goes_on": [("told",), ("lost",)],
    "the_warehouse_cancels": [("told",), ("lost",)],
    "a_person_looks": [()],
}


class Submission(RuleBasedStateMachine):
    """One order, one warehouse, and a WMS that can do what `can` says."""

    can: frozenset[Capability] = frozenset()

    @initialize()
    def begin(self) -> None:
        shop = make_shop(f"shop-{next(numbers)}.myshopify.com")
        Lane.objects.create(name=shop.lane, paused=True)  # Shopify is not there
        self.connection = make_connection(f"wms-{next(numbers)}", capabilities=[*self.can | OTHERS])
        warehouse = make_warehouse(shop, self.connection)
        make_mapping(warehouse, 11, "MUG")
        make_level(warehouse, "MUG", 100)
        self.wms = FakeWms(self.can | OTHERS)
        self.order = ordered(shop)
        enqueue.route(self.order)

    # One rule: Hypothesis leaves some rules out of each example, and here nothing happens without all of them.
    @rule(step=st.sampled_from([(step, how) for step, hows in STEPS.items() for how in hows]))
    def anything(self, step: tuple[str, tuple[str, ...]]) -> None:
        getattr(self, step[0])(*step[1])

    def rows(self) -> list[WmsOrder]:
        return list(WmsOrder.objects.filter(order=self.order).order_by("part"))

    def work(self, *faults: str) -> None:
        """Jobs that are due, or whose worker was killed, run."""
        self.wms.faults[:] = faults
        Job.objects.filter(state="running").update(lease_until=Now() - LATER)
        with mock.patch.dict(adapters.ADAPTERS, {"rest": lambda *_: self.wms}):
            try:
                drain(advance=LATER)
            except Killed:
                self.wms.faults.clear()

    def the_worker_is_killed_once_all_is_recorded(self) -> None:
        with mock.patch.object(leases, "finish", side_effect=Killed):
            self.work()

    def the_late_arrive(self) -> None:
        self.wms.arrive()

    def time_passes(self) -> None:
        """So much that no request can be under way any more."""
        self.wms.arrive()
        WmsOrder.objects.filter(order=self.order).update(attempt_at=F("attempt_at") - submission.SETTLE)

    def a_message_comes_twice(self) -> None:
        for row in self.rows():
            enqueue.submit(row)
        enqueue.route(self.order)

    def the_customer_cancels(self) -> None:
        """As a reading at Shopify does it."""
        with transaction.atomic():
            order = order_states.lock(self.order.id)
            order.cancelled_at = timezone.now()
            order.save()
            cancellation.stop(order)

    def the_warehouse_goes_on(self, callback: str) -> None:
        for order in self.wms.live():
            self.wms.statuses[order] = "packed" if self.wms.statuses[order] == "picking" else "picking"
            self.tell(order, callback)

    def the_warehouse_cancels(self, callback: str) -> None:
        for order in self.wms.live():
            if self.wms.statuses[order] not in GONE:
                self.wms.statuses[order] = "cancelled"
                self.tell(order, callback)

    def tell(self, order: str, callback: str) -> None:
        event = OrderStatusEvent(wms_order_id=order, status=self.wms.statuses[order])
        if callback == "told" and progress.wms_order_of(self.connection.id, order):
            progress.apply(self.connection.id, event, occurred_at=timezone.now())

    def a_person_looks(self) -> None:
        """Decides what only a person can know, truly; has refused and cancelled orders sent again; replays."""
        user, _ = User.objects.get_or_create(username="ada")
        for row in WmsOrder.objects.filter(order=self.order, outcome=Outcome.UNKNOWN):
            self.time_passes()
            there = [order for order, external in self.wms.externals.items() if external == row.external_id]
            if there:
                decisions.is_there(row.id, as_id=there[0], user_id=user.id)
            else:
                decisions.is_not_there(row.id, user_id=user.id)
        if cancellation.route_again(self.order.id):
            enqueue.route(self.order)
        jobs.replay(Job.objects.filter(state="dead").values_list("id", flat=True))

    @invariant()
    def never_two_live_orders_at_the_wms(self) -> None:
        assert len(self.wms.live()) <= 1

    def teardown(self) -> None:
        """In quiet times everything is at rest, and where it should be."""
        if not hasattr(self, "order"):
            return
        for _ in range(8):
            self.time_passes()
            self.a_person_looks()
            self.work()
            for each in self.wms.statuses:
                self.tell(each, "told")
            self.never_two_live_orders_at_the_wms()
            if self.is_at_rest():
                break
        assert self.is_at_rest()
        order, live = Order.objects.get(id=self.order.id), self.wms.live()
        if order.cancelled_at:
            self.ends_cancelled(order, live)
        else:
            assert (order.state, len(live)) == (OrderState.AT_WAREHOUSE, 1)

    def is_at_rest(self) -> bool:
        """No job waits, no WMS order is under way, both sides agree on what lives, and no person has to decide."""
        waiting = Job.objects.exclude(state="done").exclude(lane__paused=True).exists()
        ours = [row.wms_order_id for row in self.rows() if row.wms_status not in order_states.ENDED]
        held = Order.objects.get(id=self.order.id).state == OrderState.HELD
        return ours == self.wms.live() and not (waiting or held or self.wms.on_its_way)

    def ends_cancelled(self, order: Order, live: list[str]) -> None:
        if not live:
            assert order.state == OrderState.CANCELLED
        elif self.wms.statuses[live[0]] in GONE:
            assert Return.objects.filter(wms_order__order=order).exists()
            assert self.wms.returns == {live[0]}
        else:
            assert WmsOrder.objects.get(order=order, wms_order_id=live[0]).cancel_requested_at


class FindsAndRepeats(Submission):
    can = frozenset({Capability.FIND_ORDER, Capability.IDEMPOTENT_CREATE})


class OnlyFinds(Submission):
    can = frozenset({Capability.FIND_ORDER})


class OnlyRepeats(Submission):
    can = frozenset({Capability.IDEMPOTENT_CREATE})


class Neither(Submission):
    pass


@pytest.mark.django_db
@pytest.mark.parametrize("machine", [FindsAndRepeats, OnlyFinds, OnlyRepeats, Neither])
def test_every_order_is_live_at_most_once_and_settles(machine: type[Submission]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=8,
            stateful_step_count=15,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
