"""What may be lost, and what may be killed, without an order being lost or sent twice."""

from __future__ import annotations

from functools import partial

import pytest
import redis

from fulfillment.models import WmsOrder
from ops import idempotency
from tests.end_to_end.checker import Checker
from tests.end_to_end.installation.stack import Stack
from tests.end_to_end.installation.waiting import until
from tests.end_to_end.installation.world import BERLIN, LYON
from tests.end_to_end.people import People, Placed
from tests.end_to_end.story import create_calls

pytestmark = pytest.mark.e2e


def test_losing_all_of_valkey_while_orders_flow_loses_no_order(
    stack: Stack, redis_server: redis.Redis
) -> None:
    people = People(stack)
    early = [
        people.order(shop, country, (shop.mug, 1)) for shop, country in [(BERLIN, "DE"), (LYON, "FR")] * 2
    ]
    people.wait_for(*early)
    with stack.programs.frozen("orders"):  # so that messages pile up, and are certainly lost
        late = [people.order(placed.shop, "DE", (placed.shop.tee, 1)) for placed in early]
        for placed in early:
            people.ship(placed)
        for queue in ("submission", "callbacks"):
            until(partial(redis_server.llen, f"celery:{queue}"), what=f"messages in {queue}")
        redis_server.flushall()
    people.wait_for(*late, seconds=45)
    stack.settles(Checker.parcels, seconds=45)
    assert [create_calls(people, placed) for placed in (*early, *late)] == [1] * 8
    stack.settles(Checker.orders)
    until(stack.ready, what="/readyz after Valkey was emptied")


def test_a_worker_killed_while_a_warehouse_takes_an_order(stack: Stack) -> None:
    """At one WMS the order is placed and the answer is lost, at the other the call never gets through."""
    people, looks = People(stack), _look_ups(stack)
    stack.wms.fault("POST /north/orders", "timeout_after", delay=60)
    stack.wms.fault("POST /south/orders", "timeout_before", delay=60)
    taken = people.order(BERLIN, "DE", (BERLIN.mug, 1))
    missed = people.order(LYON, "FR", (LYON.mug, 1))
    until(lambda: all(rule["fired"] for rule in stack.wms.get("/faults")), what="both calls in flight")
    stack.programs.kill("orders")
    assert (len(people.at_wms(taken)), len(people.at_wms(missed))) == (1, 0)
    stack.programs.start("orders")
    _the_claims_end(taken, missed)
    until(lambda: _confirmed(taken) and _confirmed(missed), what="both confirmed", seconds=45)
    assert _look_ups(stack) >= looks + 2
    assert (create_calls(people, taken), create_calls(people, missed)) == (1, 1)
    assert list(stack.checker().orders()) == []


def _the_claims_end(*orders: Placed) -> None:
    """The dead worker's claims end after 60 s; a test need not wait for that: here they end now."""
    for placed in orders:
        idempotency.forget(
            idempotency.RetentionWindow.SUBMISSION, f"wms:order:{placed.shop.domain}:{placed.id}:1"
        )


def _confirmed(placed: Placed) -> bool:
    rows = WmsOrder.objects.filter(order__shopify_order_id=placed.id)
    return [row.outcome for row in rows] == ["confirmed"]


def _look_ups(stack: Stack) -> int:
    """How often the WMSs were asked whether they have an order."""
    books = stack.wms.get("/books")["connections"].values()
    return sum(each["requests"].get("GET /orders", 0) for each in books)
