"""Whatever is lost, killed, late or cancelled, whenever: never two live orders at the WMS, and all of it settles."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any, ClassVar

import pytest
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.fulfillment.fake_wms import AFTER, BEFORE, WORKER
from tests.fulfillment.one_order import PLACES, OneOrder
from tests.steps import Steps, drawn, same_every_time, seeds
from tests.workers import working
from wms.adapters.base import Capability

FAULTS = ("ok", *BEFORE, *AFTER, *WORKER)
either = [True, False]
STEPS: Steps = {
    "work": (8, (FAULTS, FAULTS, FAULTS)),
    "work_that_stops": (4, ([*PLACES], ["die", "hang"])),
    "a_hung_one_goes_on": (3, (FAULTS,)),
    "waits_pass": (4, ()),
    "leases_run_out": (2, ()),
    "claims_run_out": (1, ()),
    "redis_is_emptied": (1, ()),
    "time_passes": (2, ()),
    "a_message_comes_twice": (1, ()),
    "the_customer_cancels": (1, ()),
    "a_line_is_added": (1, ()),
    "the_address_is_corrected": (1, ()),
    "shopify_holds_it": (1, (either,)),
    "the_sku_is_mapped": (1, (either,)),
    "the_warehouse_goes_on": (1, (either,)),
    "the_warehouse_cancels": (1, (either,)),
    "a_person_looks": (2, ()),
}


class Submission(RuleBasedStateMachine):
    """`reached`: how often what is rare was really there."""

    can: frozenset[Capability] = frozenset()
    reached: ClassVar[Counter[str]] = Counter()

    @initialize(seed=seeds)
    def begin(self, seed: int) -> None:
        self.chance = Random(seed)
        self.staged = working()
        self.one = OneOrder(self.can, self.staged.__enter__())

    @rule()
    def anything(self) -> None:
        name, how = drawn(STEPS, self.chance)
        hung, ran = len(self.one.workers.hung), self.one.workers.ran.total()
        if name == "work_that_stops":
            self.one.work(at=how[0], befalls=how[1])
        else:
            getattr(self.one, name)(*how)
        if self.one.workers.ran.total() > ran or not name.startswith("work"):
            self.reached[name] += name != "a_hung_one_goes_on" or hung > 0

    @invariant()
    def what_must_hold_holds(self) -> None:
        if hasattr(self, "one"):
            self.one.check()

    def teardown(self) -> None:
        if not hasattr(self, "one"):
            return
        try:
            self.one.settle()
        finally:
            self.staged.__exit__(None, None, None)


class FindsAndRepeats(Submission):
    can = frozenset({Capability.FIND_ORDER, Capability.IDEMPOTENT_CREATE})


class OnlyFinds(Submission):
    can = frozenset({Capability.FIND_ORDER})


class OnlyRepeats(Submission):
    can = frozenset({Capability.IDEMPOTENT_CREATE})


class Neither(Submission):
    pass


@pytest.fixture(autouse=True)
def nobody_reads_alerts(settings: Any) -> None:
    """So no further jobs than the order's own."""
    settings.ALERT_EMAILS = []


@pytest.mark.django_db
@pytest.mark.parametrize("machine", [FindsAndRepeats, OnlyFinds, OnlyRepeats, Neither])
def test_every_order_is_live_at_most_once_and_settles(machine: type[Submission]) -> None:
    Submission.reached.clear()
    run_state_machine_as_test(machine, settings=same_every_time(examples=6, steps=40))
    missing = STEPS.keys() - Submission.reached.keys()
    assert not missing, f"{missing} never happened, only {Submission.reached}"
