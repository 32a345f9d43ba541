"""Many new orders at once are read through Shopify's search, and by their ids whenever the search may be behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from fulfillment.models import FulfillmentOrder, Order
from fulfillment.models.states import OrderState
from fulfillment.orders import sync
from fulfillment.shopify import queries, search
from ops.errors import EndpointFailed, Throttled
from ops.models import Job, Lane
from ops.queue import lanes
from shops.budget import points
from shops.ids import ShopifyOrderId
from tests.drain import drain, load_tasks, run_next
from tests.fulfillment.notices.post import Post, counted_readings
from tests.fulfillment.scene import DOMAIN, LATER, MUG, TEE, Scene
from tests.world import Json

pytestmark = pytest.mark.django_db(transaction=True)

MANY = 16
BY_ID = -(-MANY // queries.ORDERS_PER_READ)
"""The requests for so many orders by their ids."""

READING = "fulfillment.read_orders"


@pytest.fixture(autouse=True)
def _worker_began(monkeypatch: pytest.MonkeyPatch) -> None:
    """It knows all handlers, and of no shop that refused the search."""
    load_tasks()
    monkeypatch.setattr(search, "_refused_at", {})


@pytest.fixture
def orders(scene: Scene, post: Post) -> list[Json]:
    """A burst of new orders. All their webhooks came, and none was worked."""
    return burst(post)


def burst(post: Post, size: int = MANY) -> list[Json]:
    return [post.place((MUG if number % 2 else TEE, 1)) for number in range(size)]


def search_stands_still(scene: Scene) -> None:
    scene.shopify.post(f"/shops/{DOMAIN}/search", {"lag": 3600})


def requests(scene: Scene) -> Json:
    """How often Shopify was asked for orders by the search, and by their ids."""
    asked = scene.shopify.get(f"/books?domain={DOMAIN}")["shops"][DOMAIN]["requests"]
    return {name: asked.get(name, 0) for name in ("orders", "nodes")}


def ids(orders: list[Json]) -> set[int]:
    return {order["id"] for order in orders}


@contextmanager
def charged() -> Iterator[list[float]]:
    """The points that Shopify charges meanwhile."""
    sums: list[float] = []
    settle = points.settle

    def counted(reservation: Any, report: Any) -> None:
        sums.append(report.charged or 0)
        settle(reservation, report)

    with mock.patch.object(points, "settle", counted):
        yield sums


def test_a_burst_is_read_by_one_request_that_costs_fewer_points(scene: Scene, orders: list[Json]) -> None:
    with charged() as spent, counted_readings() as by_id:
        run_next(scene.shop.lane)
    assert requests(scene) == {"orders": 1, "nodes": 0}
    assert (sum(spent), by_id) == (2 + 4 * 45, [])
    assert Order.objects.count() == FulfillmentOrder.objects.count() == MANY
    drain(advance=LATER)
    assert requests(scene) == {"orders": 1, "nodes": 0}
    assert set(Order.objects.values_list("state", flat=True)) == {OrderState.AT_WAREHOUSE}


def test_what_is_stored_is_what_a_reading_by_id_stores(scene: Scene, orders: list[Json]) -> None:
    run_next(scene.shop.lane)
    names = ("status", "request_status", "location_id", "hold_reason", "lines__remaining_quantity")
    found = list(FulfillmentOrder.objects.order_by("id").values(*names))
    for order in orders:
        scene.webhook(order)
    drain(advance=LATER)
    assert requests(scene)["nodes"] > 0
    assert list(FulfillmentOrder.objects.order_by("id").values(*names)) == found


def test_fewer_orders_are_read_by_their_ids(scene: Scene, post: Post) -> None:
    burst(post, search.FEWEST_ORDERS - 1)
    run_next(scene.shop.lane)
    assert requests(scene) == {"orders": 0, "nodes": 2}


def test_a_burst_costs_two_statements_beside_the_look_and_the_orders(
    scene: Scene, orders: list[Json]
) -> None:
    numbers = [ShopifyOrderId(order["id"]) for order in orders]
    with (
        mock.patch.object(sync, "store_checked", return_value=frozenset()) as stored,
        CaptureQueriesContext(connection) as statements,
    ):
        sync.read(scene.shop.id, numbers, for_webhooks=numbers)
    assert stored.call_count == MANY
    assert len(statements) == 3  # the look; whether a change is unread, or its order sought


def test_orders_that_the_search_does_not_show_yet_are_read_by_their_ids(scene: Scene, post: Post) -> None:
    burst(post)
    search_stands_still(scene)
    late = burst(post, 3)
    with counted_readings() as by_id:
        run_next(scene.shop.lane)
    assert set(by_id) == ids(late)
    assert requests(scene) == {"orders": 1, "nodes": 1}
    assert Order.objects.count() == MANY + 3


def test_an_order_that_was_paid_within_the_second_is_not_stored_unpaid(scene: Scene, post: Post) -> None:
    unpaid = scene.place((MUG, 1), paid=False)
    burst(post)
    search_stands_still(scene)
    scene.shopify.post(f"/shops/{DOMAIN}/orders/{unpaid['id']}/pay")
    post.bring()
    with counted_readings() as by_id:
        run_next(scene.shop.lane)
    assert by_id == [unpaid["id"]]
    assert scene.row(unpaid).financial_status == "PAID"


def changed(body: Json, **fields: Any) -> Json:
    later = datetime.fromisoformat(body["updated_at"]) + timedelta(seconds=fields.pop("later", 0))
    return {**body, "updated_at": later.isoformat(), **fields}


@pytest.mark.parametrize(
    ("topic", "fields"),
    [
        ("orders/updated", {"later": 1}),
        ("orders/updated", {"email": "another@example.com"}),
        ("orders/updated", {"updated_at": None}),
        ("orders/cancelled", {}),
        ("orders/edited", {"order_edit": True}),
        ("refunds/create", {"order_id": True}),
        ("fulfillments/create", {"order_id": True}),
    ],
)
def test_an_order_of_which_a_webhook_tells_anything_else_is_read_by_its_id(
    scene: Scene, post: Post, topic: str, fields: Json
) -> None:
    burst(post)
    order = scene.place((MUG, 1))
    sent = post.waiting()
    body = next(body for topic, body in sent if topic == "orders/create")
    for each in sent:
        post.bring_one(*each)
    named = {"order_edit": {"id": 7, "order_id": order["id"]}, "id": 7, "order_id": order["id"]}
    is_other = {"order_edit", "order_id"} & fields.keys()
    post.bring_one(topic, named if is_other else changed(body, **fields))
    with counted_readings() as by_id:
        run_next(scene.shop.lane)
    assert by_id == [order["id"]]
    assert requests(scene)["orders"] == 1


def test_an_older_webhook_is_no_reason(scene: Scene, post: Post) -> None:
    burst(post)
    scene.place((MUG, 1))
    sent = post.waiting()
    body = next(body for topic, body in sent if topic == "orders/create")
    for each in [*sent, ("orders/updated", changed(body, later=-1, financial_status="pending"))]:
        post.bring_one(*each)
    run_next(scene.shop.lane)
    assert requests(scene) == {"orders": 1, "nodes": 0}


def test_an_order_that_somebody_else_asked_for_is_read_by_its_id(scene: Scene, orders: list[Json]) -> None:
    scene.webhook(orders[0])
    with counted_readings() as by_id:
        run_next(scene.shop.lane)
    assert by_id == [orders[0]["id"]]


def test_a_known_order_is_read_by_its_id(scene: Scene, post: Post) -> None:
    known = post.place((MUG, 1))
    drain(advance=LATER)
    scene.shopify.post(f"/shops/{DOMAIN}/orders/{known['id']}/edit", {"address": {"city": "Bonn"}})
    post.bring()
    burst(post)
    Job.objects.filter(kind=READING).update(run_at=timezone.now())
    with counted_readings() as by_id:
        run_next(scene.shop.lane)
    assert by_id == [known["id"]]
    assert requests(scene)["orders"] == 1


def test_an_order_with_further_pages_is_read_by_its_id(scene: Scene, post: Post) -> None:
    large = post.place(*[(MUG, 1)] * (queries.FIRST_LINES + 1))
    burst(post)
    with counted_readings() as by_id:
        run_next(scene.shop.lane)
    assert by_id == [large["id"]]
    assert scene.row(large).lines.count() == queries.FIRST_LINES + 1


# Holds, of which only their own webhooks tell


def hold(scene: Scene, post: Post, order: Json) -> None:
    """The search does not show it, nor does any date of the order that a webhook names."""
    search_stands_still(scene)
    scene.shopify.post(f"/shops/{DOMAIN}/orders/{order['id']}/hold", {"reason": "OTHER"})
    assert post.bring(wanted=lambda topic, _: "hold" in topic)


def test_while_a_hold_waits_to_be_worked_all_are_read_by_their_ids(
    scene: Scene, post: Post, orders: list[Json]
) -> None:
    hold(scene, post, orders[0])
    run_next(scene.shop.lane)
    assert requests(scene) == {"orders": 0, "nodes": BY_ID}
    assert scene.row(orders[0]).fulfillment_orders.get().status == "ON_HOLD"


def test_so_they_are_while_the_order_of_the_hold_is_sought(
    scene: Scene, post: Post, orders: list[Json]
) -> None:
    hold(scene, post, orders[0])
    while run_next(scene.shop.inbox_lane):
        pass
    run_next(scene.shop.lane)
    assert requests(scene) == {"orders": 0, "nodes": BY_ID}
    assert scene.row(orders[0]).fulfillment_orders.get().status == "ON_HOLD"


def test_a_hold_that_comes_during_the_search_has_its_order_read_by_its_id(
    scene: Scene, post: Post, orders: list[Json]
) -> None:
    search_orders = search.orders

    def and_one_is_held(*args: Any, **more: Any) -> Any:
        found = search_orders(*args, **more)
        hold(scene, post, orders[0])
        return found

    with mock.patch.object(search, "orders", side_effect=and_one_is_held):
        run_next(scene.shop.lane)
    assert scene.row(orders[0]).fulfillment_orders.get().status == "OPEN"
    with counted_readings() as by_id:
        drain(advance=LATER)
    assert by_id == [orders[0]["id"]]
    assert scene.row(orders[0]).fulfillment_orders.get().status == "ON_HOLD"


def test_a_hold_that_is_worked_after_its_order_needed_no_reading_is_read(scene: Scene, post: Post) -> None:
    order = post.place((MUG, 2))
    drain(advance=LATER)
    scene.shopify.post(f"/shops/{DOMAIN}/orders/{order['id']}/touch", {"note": "n"})
    scene.shopify.post(f"/shops/{DOMAIN}/orders/{order['id']}/hold", {"reason": "OTHER"})
    told = {"orders/updated", "fulfillment_orders/placed_on_hold"}
    assert told == set(post.bring(wanted=lambda topic, _: topic in told))
    Job.objects.filter(kind=READING).update(run_at=timezone.now())
    with counted_readings() as by_id:
        run_next(scene.shop.lane)
        assert by_id == []
        drain(advance=LATER)
    assert scene.row(order).fulfillment_orders.get().status == "ON_HOLD"


# What stops a run


def test_a_shop_where_the_search_is_too_expensive_goes_on_by_ids(scene: Scene, post: Post) -> None:
    scene.build_shopify(webhook_url="http://127.0.0.1:9/", cost_model="linear")
    size = MANY + 4  # a drain reads some alone
    burst(post, size)
    drain(advance=LATER)
    assert Order.objects.count() == size
    assert not Job.objects.filter(state=Job.State.DEAD).exists()
    refused = "exceeds the single query max cost limit"
    errors = scene.shopify.get(f"/books?domain={DOMAIN}")["shops"][DOMAIN]["errors"]
    assert len([each for each in errors if refused in each["messages"][0]]) == 1
    burst(post, size)
    drain(advance=LATER)
    assert Order.objects.count() == 2 * size
    assert len(scene.shopify.get(f"/books?domain={DOMAIN}")["shops"][DOMAIN]["errors"]) == len(errors)


@pytest.mark.parametrize(
    "error",
    [Throttled("no points", wait=timedelta(seconds=1)), EndpointFailed("timed out")],
    ids=["throttled", "failed"],
)
def test_if_the_run_is_stopped_only_the_rest_is_read_again(
    scene: Scene, orders: list[Json], error: Exception
) -> None:
    for order in orders:
        scene.webhook(order)
    read = queries.orders
    answers: list[Callable[..., Any]] = [read, mock.Mock(side_effect=error), read, read]

    def one_after_the_other(*args: Any, **more: Any) -> Any:
        return answers.pop(0)(*args, **more)

    with mock.patch.object(queries, "orders", side_effect=one_after_the_other):
        run_next(scene.shop.lane)
        assert Order.objects.count() == queries.ORDERS_PER_READ
        waiting = Job.objects.filter(kind=READING, state=Job.State.READY)
        assert waiting.count() == MANY - queries.ORDERS_PER_READ
        assert not any("for_webhooks" in job.payload for job in waiting)
        run_next(scene.shop.lane)
    assert Order.objects.count() == MANY
    assert requests(scene)["nodes"] == BY_ID


def test_if_nothing_was_stored_the_error_decides(scene: Scene, orders: list[Json]) -> None:
    for order in orders:
        scene.webhook(order)
    error = EndpointFailed("timed out")
    with mock.patch.object(queries, "orders", side_effect=error):
        run_next(scene.shop.lane)
    assert Job.objects.filter(kind=READING, error_class="Transient").count() == MANY


def test_a_run_that_lasts_too_long_leaves_the_rest_to_the_next(scene: Scene, orders: list[Json]) -> None:
    for order in orders:
        scene.webhook(order)
    with mock.patch.object(sync, "LONGEST_READING", 0):
        run_next(scene.shop.lane)
    assert Order.objects.count() == queries.ORDERS_PER_READ
    drain()
    assert Order.objects.count() == MANY


def test_points_that_run_out_in_the_middle(scene: Scene, post: Post) -> None:
    """They suffice for one request of three. What it read is not read again."""
    points_left = {"max": 2000, "points": 350, "restore": 100, "by_hand": True}
    scene.build_shopify(webhook_url="http://127.0.0.1:9/", bucket=points_left)
    orders = burst(post, 3 * queries.ORDERS_PER_READ)
    for order in orders:
        scene.webhook(order)
    run_next(scene.shop.lane)
    assert Order.objects.count() == queries.ORDERS_PER_READ
    assert requests(scene)["nodes"] == 1
    scene.shopify.post(f"/shops/{DOMAIN}/bucket", {"seconds": 20})
    until = time.monotonic() + 10
    while Order.objects.count() < len(orders) and time.monotonic() < until:
        Lane.objects.update(throttled_until=None, throttled_priority=None)
        run_next(scene.shop.lane)
    assert Order.objects.count() == len(orders)
    assert requests(scene)["nodes"] == 3


# What comes of the orders meanwhile


def test_the_first_orders_do_not_wait_until_all_are_stored(scene: Scene, orders: list[Json]) -> None:
    sent: list[int] = []
    with mock.patch.object(lanes, "_send", side_effect=lambda *_: sent.append(Order.objects.count())):
        run_next(scene.shop.lane)
    assert min(sent) <= queries.ORDERS_PER_READ < MANY
