"""An order is not read again for webhooks that tell of nothing but our own fulfilments. In any doubt it is read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from django.utils import timezone

from fulfillment import jobs
from fulfillment.models import Fulfillment, FulfillmentOrder, FulfillmentOrderLine, Order, Shipment
from fulfillment.models.states import OrderState
from fulfillment.orders import backfill, order_changes, sync
from fulfillment.orders.notices import look
from fulfillment.shopify import queries
from ops.alerting.alerts import raise_alert
from ops.models import Job, Priority
from tests.drain import drain, drain_counting
from tests.fulfillment.notices.post import Post, counted_readings
from tests.fulfillment.scene import DOMAIN, LATER, LYON, MUG, TEE, Scene
from tests.world import Json

pytestmark = pytest.mark.django_db(transaction=True)

READING = "fulfillment.read_orders"
ECHOES = ["fulfillments/create", "orders/fulfilled", "orders/updated"]


@pytest.fixture
def shipped(scene: Scene, post: Post) -> Json:
    """An order that we told Shopify the shipment of. What Shopify sends of that has not come yet."""
    order = post.place((MUG, 1), (TEE, 2))
    drain(advance=LATER)
    scene.ship(order)
    assert scene.row(order).state == OrderState.SHIPPED
    return order


def readings() -> int:
    """How many orders are read until everything that is due is done."""
    with counted_readings() as read:
        drain(advance=LATER)
    return len(read)


def copy_of(order: Order) -> list[Any]:
    """What is stored of an order, but for the times up to which it is known."""
    works = FulfillmentOrder.objects.filter(order=order).order_by("id")
    lines = FulfillmentOrderLine.objects.filter(fulfillment_order__order=order).order_by("id")
    names = ("status", "request_status", "location_id", "is_ours", "hold_reason", "fulfill_at")
    header = {
        name: getattr(order, name)
        for name in ("state", "financial_status", "cancelled_at", "ship_to", "country")
    }
    return [
        header,
        list(order.lines.order_by("id").values_list("sku", "title", "quantity")),
        list(works.values_list(*names)),
        list(lines.values_list("total_quantity", "remaining_quantity")),
    ]


def test_our_own_fulfillment_costs_no_reading_and_leaves_nothing_to_find(
    scene: Scene, post: Post, shipped: Json
) -> None:
    assert post.bring() == ECHOES
    assert readings() == 0
    assert Job.objects.get(kind=READING).state == Job.State.DONE
    known = copy_of(scene.row(shipped))
    scene.webhook(shipped)
    drain()
    assert copy_of(scene.row(shipped)) == known


def test_it_takes_two_statements_beside_the_claim(scene: Scene, post: Post, shipped: Json) -> None:
    post.bring()
    Job.objects.update(run_at=timezone.now())
    ran = dict(drain_counting())
    assert ran[READING] == 4  # the claim, the look, the dates, the end


def test_no_backfill_reads_it_again(scene: Scene, post: Post, shipped: Json) -> None:
    post.bring()
    drain(advance=LATER)
    for feed in ("orders", "fulfillment_orders"):
        assert backfill.page(scene.shop.id, feed) == 0


def test_one_shipment_after_the_other(scene: Scene, post: Post) -> None:
    order = post.place((MUG, 3))
    drain(advance=LATER)
    for number in ("T1", "T2", "T3"):
        scene.ship(order, ("MUG", 1), tracking=number)
        post.bring()
        assert readings() == 0
    assert scene.row(order).state == OrderState.SHIPPED
    assert len(scene.fulfillments(order)) == 3


def test_the_first_webhooks_of_an_order_are_read_once(scene: Scene, post: Post) -> None:
    post.place((MUG, 1))
    assert readings() == 1
    assert readings() == 0


def test_a_webhook_that_came_while_it_was_read_needs_no_second_reading_if_it_says_the_same(
    scene: Scene, post: Post
) -> None:
    order = scene.place((MUG, 1))
    sent = post.waiting()
    answered = queries.orders

    def and_the_rest_comes(*args: Any, **more: Any) -> Any:
        found = answered(*args, **more)
        for topic, body in sent[1:]:
            post.bring_one(topic, body)
        return found

    post.bring_one(*sent[0])
    with mock.patch.object(queries, "orders", side_effect=and_the_rest_comes):
        assert readings() == 1
    assert scene.row(order).state == OrderState.AT_WAREHOUSE


# What is read


def edited(scene: Scene, order: Json) -> None:
    at_shopify(scene, order, "edit", {"additions": [{"variant_id": MUG, "quantity": 1}]})


def addressed_anew(scene: Scene, order: Json) -> None:
    at_shopify(scene, order, "edit", {"address": {"address1": "Nebenstr. 2"}})


def at_shopify(scene: Scene, order: Json, what: str, body: Json | None = None) -> None:
    scene.shopify.post(f"/shops/{DOMAIN}/orders/{order['id']}/{what}", body)


def fulfillment_cancelled(scene: Scene, order: Json) -> None:
    scene.cancel_fulfillment(scene.fulfillments(order)[0])


@pytest.mark.parametrize("happens", [edited, addressed_anew, fulfillment_cancelled])
def test_a_change_of_others_beside_ours_is_read(
    scene: Scene, post: Post, happens: Callable[[Scene, Json], None]
) -> None:
    order = post.place((MUG, 3))
    drain(advance=LATER)
    scene.ship(order, ("MUG", 1))
    happens(scene, order)
    post.bring()
    assert readings() > 0
    known = copy_of(scene.row(order))
    scene.webhook(order)
    drain()
    assert copy_of(scene.row(order)) == known


def test_units_that_a_person_fulfilled_by_hand_are_read(scene: Scene, post: Post) -> None:
    order = post.place((MUG, 3))
    drain(advance=LATER)
    scene.ship(order, ("MUG", 1))
    at_shopify(scene, order, "fulfill")
    post.bring()
    assert readings() > 0
    assert FulfillmentOrder.objects.get().status == "CLOSED"


def test_a_hold_is_read_although_only_its_fulfillment_order_says_so(scene: Scene, post: Post) -> None:
    order = post.place((MUG, 1))
    drain(advance=LATER)
    at_shopify(scene, order, "hold")
    assert "fulfillment_orders/placed_on_hold" in post.bring(wanted=lambda topic, _: "hold" in topic)
    assert readings() > 0
    assert FulfillmentOrder.objects.get().status == "ON_HOLD"


def whoever_else_asks(scene: Scene, order: Json) -> None:
    jobs.orders.read_order(scene.shop, order["id"])


def a_backfill_asks(scene: Scene, order: Json) -> None:
    jobs.orders.read_order(scene.shop, order["id"], priority=Priority.LOW)


@pytest.mark.parametrize("asks", [whoever_else_asks, a_backfill_asks])
@pytest.mark.parametrize("before", [True, False])
def test_whoever_else_asks_for_it_gets_a_reading(
    scene: Scene, post: Post, shipped: Json, asks: Callable[[Scene, Json], None], before: bool
) -> None:
    if before:
        asks(scene, shipped)
    post.bring()
    if not before:
        asks(scene, shipped)
    assert readings() == 1
    post.bring_one("orders/updated", {"id": shipped["id"]})
    assert readings() == 1


def a_payload_was_erased(scene: Scene, order: Json) -> None:
    about = Job.objects.filter(kind="shopify.orders/updated")
    assert about.update(payload={"erased_on": "2026-11-01", "digest": "d"})


def the_call_is_not_recorded(scene: Scene, order: Json) -> None:
    Fulfillment.objects.update(state="telling", shopify_fulfillment_id=None)


def its_units_were_not_taken_off(scene: Scene, order: Json) -> None:
    Shipment.objects.update(subtracted_from=None)


def it_was_read_during_the_call(scene: Scene, order: Json) -> None:
    Shipment.objects.update(subtracted_from=None, attempt_at=scene.row(order).read_at)


def an_older_reading_was_stored(scene: Scene, order: Json) -> None:
    FulfillmentOrderLine.objects.update(remaining_quantity=1)
    FulfillmentOrder.objects.update(status="OPEN")


def an_alert_waits_for_a_reading(scene: Scene, order: Json) -> None:
    raise_alert("order_moved", subject=scene.row(order).subject, title="t", meaning="m", action="a")


def the_person_was_erased(scene: Scene, order: Json) -> None:
    Order.objects.update(erased_at=timezone.now(), ship_to="")


def it_is_held(scene: Scene, order: Json) -> None:
    Order.objects.update(state=OrderState.HELD, reason="wms_rejected")


@pytest.mark.parametrize(
    "doubt",
    [
        a_payload_was_erased,
        the_call_is_not_recorded,
        its_units_were_not_taken_off,
        it_was_read_during_the_call,
        an_older_reading_was_stored,
        an_alert_waits_for_a_reading,
        the_person_was_erased,
        it_is_held,
    ],
)
def test_in_doubt_it_is_read(
    scene: Scene, post: Post, shipped: Json, doubt: Callable[[Scene, Json], None]
) -> None:
    post.bring()
    doubt(scene, shipped)
    assert readings() > 0


def test_more_webhooks_than_are_looked_at(scene: Scene, post: Post, shipped: Json) -> None:
    (*_, (topic, body)) = post.waiting()
    for _ in range(look.MOST_WEBHOOKS):
        post.bring_one(topic, body)
    assert readings() == 0
    post.bring_one(topic, body)
    assert readings() == 1


def test_an_older_reading_that_is_stored_after_the_look(scene: Scene, post: Post, shipped: Json) -> None:
    """A worker that stood still stores what it read before our fulfilment; then the order is read."""
    post.bring()
    settled = look.settle

    def after_another(seen: look.Look, numbers: Any) -> set[Any]:
        Order.objects.update(read_at=timezone.now() - timedelta(seconds=1))
        return settled(seen, numbers)

    with mock.patch.object(look, "settle", after_another):
        assert readings() == 1


def test_an_older_reading_that_comes_later_is_not_stored(scene: Scene, post: Post) -> None:
    order = post.place((MUG, 1))
    drain(advance=LATER)
    (before,) = queries.orders(scene.shop, [order["id"]]).values()
    scene.ship(order)
    (topic, body) = post.waiting()[-1]
    later = datetime.fromisoformat(body["updated_at"]) + timedelta(seconds=5)
    post.bring_one(topic, {**body, "updated_at": later.isoformat()})
    assert readings() == 0
    sync.store(scene.shop, before)
    assert FulfillmentOrder.objects.get().status == "CLOSED"


# What else depends on readings


def test_the_lag_of_a_later_part_begins_with_the_webhook_that_releases_it(scene: Scene, post: Post) -> None:
    order = post.place((MUG, 3))
    drain(advance=LATER)
    scene.ship(order, ("MUG", 1))
    post.bring()
    drain(advance=LATER)
    echoes = Job.objects.filter(kind__startswith="shopify.").latest("created_at").created_at
    at_shopify(scene, order, "edit", {"additions": [{"variant_id": MUG, "quantity": 1}]})
    post.bring()
    with mock.patch.object(order_changes, "apply", wraps=order_changes.apply) as apply:
        drain(advance=LATER)
    released = apply.call_args_list[0].kwargs["webhook_at"]
    about = Job.objects.filter(subject=scene.row(order).subject, kind__startswith="shopify.")
    first_news = about.filter(created_at__gt=echoes).earliest("created_at")
    assert released == first_news.created_at


def test_a_change_within_the_second_of_ours_whose_webhook_is_lost_is_found(scene: Scene, post: Post) -> None:
    order = post.place((MUG, 2))
    drain(advance=LATER)
    scene.ship(order)
    post.bring()
    drain(advance=LATER)
    at_shopify(scene, order, "edit", {"additions": [{"variant_id": MUG, "quantity": 1}]})
    post.lose()
    found = sum(backfill.page(scene.shop.id, feed) for feed in ("orders", "fulfillment_orders"))
    assert found > 0


def test_a_part_that_was_moved_and_shipped_by_others_meanwhile(scene: Scene, post: Post) -> None:
    order = post.place((MUG, 2))
    drain(advance=LATER)
    scene.ship(order, ("MUG", 1))
    at_shopify(scene, order, "move", {"location_id": LYON})
    at_shopify(scene, order, "fulfill")
    post.bring(wanted=lambda topic, _: topic in ECHOES)
    assert readings() > 0
