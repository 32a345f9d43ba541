"""A customer's data is kept only as long as an order needs it, and comes back only where it is needed again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from fulfillment.models import Order
from fulfillment.models.states import OrderState
from fulfillment.privacy import erasure
from ops.alerting.alerts import raise_alert
from ops.models import Alert, Job, Lane
from tests.builders import make_dead_letter, make_order, make_shop
from tests.drain import drain
from tests.fulfillment.order_rows import at_warehouse, ordered, place, shipped
from tests.fulfillment.scene import BERLIN, LATER, MUG, TEE, Scene

pytestmark = pytest.mark.django_db


def aged(order: Order, days: int) -> Order:
    """The order as it is after it has stood where it stands for so long."""
    Order.objects.filter(id=order.id).update(state_since=timezone.now() - timedelta(days=days))
    return order


def erased(order: Order) -> bool:
    row = Order.objects.get(id=order.id)
    assert (row.ship_to == "") == (row.erased_at is not None)
    return row.erased_at is not None


@pytest.mark.parametrize(
    ("state", "days", "gone"),
    [
        ("shipped", 31, True),
        ("shipped", 29, False),
        ("cancelled", 31, True),
        ("nothing_to_ship", 31, True),
        ("waiting", 31, True),
        ("held", 31, False),
        ("ready", 31, False),
        ("at_warehouse", 31, False),
        ("partially_shipped", 179, False),
        ("at_warehouse", 181, True),
        ("held", 181, True),
    ],
)
def test_an_address_is_erased_once_the_order_has_rested_or_stood_still(
    state: str, days: int, gone: bool
) -> None:
    reason = {"waiting": "unpaid", "held": "no_warehouse"}.get(state, "")
    order = aged(ordered(make_shop(), state=state, reason=reason), days)
    erasure.erase_due()
    assert erased(order) == gone


def test_what_the_order_s_rows_alerts_and_dead_letters_quoted_goes_with_it() -> None:
    order = aged(at_warehouse(place(), state="shipped", part={"outcome_detail": "Ada unknown"}), 31)
    dead = make_dead_letter(subject=order.subject, payload={"body": {"email": "ada@example.com"}})
    raise_alert("wms_rejected", subject=order.subject, title="t", meaning="no Ada here", action="a")
    erasure.erase_due()
    assert order.wms_orders.get().outcome_detail == ""
    assert Job.objects.get(id=dead.id).payload["body"] == {"email": "•••"}
    assert "Ada" not in Alert.objects.get().meaning


def test_what_was_given_to_a_warehouse_is_remembered_for_ever() -> None:
    shipment = shipped(place())
    assert shipment.wms_order is not None
    order = aged(shipment.wms_order.order, 31)
    erasure.erase_due()
    assert erased(order)
    assert order.wms_orders.get().lines.get().quantity == 2
    assert order.lines.get().sku == "SKU-MUG"


def test_many_orders_are_erased_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fulfillment.privacy.erasure.BATCH", 2)
    shop = make_shop()
    for _ in range(5):
        aged(ordered(shop, state="shipped"), 31)
    assert erasure.erase_due()["orders_erased"] == 5
    assert erasure.erase_due()["orders_erased"] == 0


def test_the_order_s_page_says_when_it_was_erased(admin_client: Client) -> None:
    order = aged(ordered(make_shop(), state="shipped"), 31)
    page = f"/admin/fulfillment/order/{order.id}/change/"
    assert "Main Street 1" in admin_client.get(page).content.decode()
    erasure.erase_due()
    text = admin_client.get(page).content.decode()
    assert "Main Street 1" not in text
    assert "data-erased>The address was erased on" in text


def sent_and_erased(scene: Scene) -> Any:
    """An order that was shipped a while ago."""
    order = scene.arrive((MUG, 1))
    scene.ship(order)
    aged(scene.row(order), 31)
    erasure.erase_due()
    assert erased(scene.row(order))
    return order


def test_a_later_reading_of_an_order_that_is_over_does_not_bring_the_address_back(scene: Scene) -> None:
    order = sent_and_erased(scene)
    scene.staff(order, "edit", {"address": {"name": "Grace Hopper", "address1": "Side Street 2"}})
    drain(advance=LATER)
    assert scene.row(order).state == OrderState.SHIPPED
    assert erased(scene.row(order))


def test_units_that_are_added_bring_it_back_and_are_sent_to_it(scene: Scene) -> None:
    order = sent_and_erased(scene)
    scene.staff(order, "edit", {"additions": [{"variant_id": TEE, "quantity": 1, "location_id": BERLIN}]})
    drain(advance=LATER)
    assert not erased(scene.row(order))
    address = [placed["shippingAddress"] for placed in scene.wms_books()["orders"]]
    assert len(address) == 2
    assert address[0]["address1"] == address[1]["address1"]


def test_an_order_that_waited_long_is_sent_with_its_address_once_it_is_paid(scene: Scene) -> None:
    order = scene.arrive((MUG, 1), paid=False)
    aged(scene.row(order), 31)
    erasure.erase_due()
    scene.webhook(order)
    drain()
    assert erased(scene.row(order))
    scene.staff(order, "pay")
    drain()
    (placed,) = scene.wms_books()["orders"]
    assert placed["shippingAddress"]["address1"]
    assert not erased(scene.row(order))


def test_an_order_whose_address_was_erased_is_read_again_before_it_is_sent(scene: Scene) -> None:
    lane = Lane.objects.create(name=scene.berlin.connection.lane, paused=True)
    order = scene.arrive((MUG, 1))
    aged(scene.row(order), 181)
    erasure.erase_due()
    assert erased(scene.row(order))
    Lane.objects.filter(name=lane.name).update(paused=False)
    drain(advance=LATER)
    (placed,) = scene.wms_books()["orders"]
    assert placed["shippingAddress"]["address1"]
    assert scene.wms_books()["create_calls"] == {f"wms:order:berlin.myshopify.com:{order['id']}:1": 1}
    assert not erased(scene.row(order))


def test_an_order_that_never_had_an_address_counts_as_erased() -> None:
    order = aged(make_order(make_shop(), state="cancelled", ship_to=""), 31)
    erasure.erase_due()
    assert erased(order)


def test_a_wms_s_refusal_is_forgotten_when_nobody_decided_for_half_a_year() -> None:
    order = make_order(
        make_shop(), state="held", reason="wms_rejected", reason_detail="Ada is unknown", ship_to="{}"
    )
    aged(order, 181)
    erasure.erase_due()
    order.refresh_from_db()
    assert (order.state, order.reason, order.reason_detail) == ("held", "wms_rejected", "")
