"""Every place where a worker can be killed and every way a call can end, once each, at every kind of WMS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.fulfillment.fake_wms import AFTER, BEFORE, WORKER
from tests.fulfillment.one_order import OneOrder
from tests.workers import working
from wms.adapters.base import Capability

pytestmark = pytest.mark.django_db
FIND, REPEAT = Capability.FIND_ORDER, Capability.IDEMPOTENT_CREATE
KINDS = {
    "finds and repeats": frozenset({FIND, REPEAT}),
    "only finds": frozenset({FIND}),
    "only repeats": frozenset({REPEAT}),
    "neither": frozenset[Capability](),
}
End = tuple[str, str, str]
"""(how the first call ends, where its worker stops, how it stops)"""

BY_CALL: list[End] = [
    (fault, "", "")
    for fault in ("ok", "unreachable", "429", "422", "timeout_before", "late", "timeout_after", *WORKER)
]
AS_BAD: list[End] = [
    (fault, "", "") for fault in sorted({*BEFORE, *AFTER} - {fault for fault, _, _ in BY_CALL})
]
"""Faults that leave the same doubt as others: tried where a blind second try would double."""
BY_PLACE: list[End] = [
    (fault, at, befalls)
    for fault, at in (
        ("ok", "before T4"),
        ("ok", "after T4"),
        ("422", "before a refusal is stored"),
        ("unreachable", "before it is taken back"),
        ("ok", "after T5"),
    )
    for befalls in ("die", "hang")
]
DOUBTFUL = [*((fault, "", "") for fault in ("timeout_after", "late", *WORKER)), BY_PLACE[5], BY_PLACE[7]]


@pytest.fixture(autouse=True)
def nobody_reads_alerts(settings: Any) -> None:
    """So no further jobs than the order's own."""
    settings.ALERT_EMAILS = []


@pytest.mark.parametrize("kind", KINDS)
def test_an_order_is_placed_once_wherever_its_first_attempt_ends(kind: str) -> None:
    for end in (*BY_CALL, *BY_PLACE, *(AS_BAD if kind == "only finds" else ())):
        with working() as workers:
            begin(OneOrder(KINDS[kind], workers), end)


@pytest.mark.parametrize("kind", KINDS)
def test_a_cancellation_meets_every_unknown_outcome(kind: str) -> None:
    for end in DOUBTFUL:
        with working() as workers:
            begin(OneOrder(KINDS[kind], workers), end, meanwhile=OneOrder.the_customer_cancels)


def begin(one: OneOrder, end: End, *, meanwhile: Callable[[OneOrder], None] | None = None) -> None:
    """The first attempt ends so; a worker that hangs is given up, and comes back when another was at it."""
    fault, at, befalls = end
    one.work(fault, at=at, befalls=befalls)
    if meanwhile:
        meanwhile(one)
    if one.workers.hung:
        one.leases_run_out()
        one.claims_run_out()
        one.waits_pass()
        one.work()
        one.a_hung_one_goes_on()
    one.check()
    one.settle()
