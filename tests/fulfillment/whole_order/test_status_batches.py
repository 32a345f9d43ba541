"""Callbacks about the states of orders: one run does many of a connection, and each ends by itself."""

from __future__ import annotations

import itertools

import pytest

from fulfillment.models import WmsOrder
from fulfillment.refs import arrival_key
from ops.models import Job
from ops.queue.jobs import NewJob
from tests.drain import drain_counting, run_next
from tests.fulfillment.scene import MUG, Scene
from wms.ids import RemoteOrderId
from wms.jobs import CALLBACKS

pytestmark = pytest.mark.django_db
KIND = CALLBACKS["order_status"].name
numbers = itertools.count()


def report(scene: Scene, *statuses: tuple[str, str]) -> None:
    """The WMS reports (order, status) one after the other, before any is worked off."""
    connection = scene.berlin.connection
    for remote_id, status in statuses:
        payload = {
            "connection": connection.id,
            "event_id": f"e{next(numbers)}",
            "occurred_at": "2027-01-01T00:00:00+00:00",
            "data": {"wmsOrderId": remote_id, "status": status},
        }
        NewJob(KIND, key=f"callback-{next(numbers)}", lane=connection.inbox_lane, payload=payload).enqueue()


def arrived(scene: Scene) -> RemoteOrderId:
    return scene.row(scene.arrive((MUG, 1))).wms_orders.get().remote_id


def test_one_run_does_many_in_their_order_and_each_ends_by_itself(scene: Scene) -> None:
    first, second = arrived(scene), arrived(scene)
    report(
        scene,
        (first, "picking"),
        ("W-of-nobody", "picking"),
        ("", "picking"),
        (second, "packed"),
        (first, "packed"),
        (second, "picking"),
    )
    assert run_next(scene.berlin.connection.inbox_lane) == KIND
    assert set(WmsOrder.objects.values_list("wms_status", flat=True)) == {"packed"}
    ended = Job.objects.filter(kind=KIND).order_by("id").values_list("state", "parked_on")
    waits = ("ready", [arrival_key(scene.berlin.connection.id, RemoteOrderId("W-of-nobody"))])
    done: tuple[str, list[str]] = ("done", [])
    assert list(ended) == [done, waits, ("dead", []), done, done, done]


def test_a_step_takes_one_statement_and_news_that_change_nothing_take_two_at_most(scene: Scene) -> None:
    remote_id = arrived(scene)
    claim_and_end = 2

    def statements(status: str) -> int:
        report(scene, (remote_id, status))
        ((_, count),) = drain_counting()
        return count - claim_and_end

    assert [statements(status) for status in ("packed", "packed", "picking", "accepted")] == [1, 2, 2, 1]
