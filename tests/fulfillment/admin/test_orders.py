"""The console's list and page of orders: what staff find, see and may do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from fulfillment.models import Order
from ops.alerting.alerts import raise_alert
from ops.models import Job
from ops.refs import Subject
from tests.builders import make_job, make_order, make_shipment, make_shop, make_wms_order
from tests.fulfillment.order_rows import at_warehouse, ordered, place, shipped, staff

pytestmark = pytest.mark.django_db

ORDERS = "/admin/fulfillment/order/"


def page_of(order: Order) -> str:
    return f"{ORDERS}{order.pk}/change/"


def act(client: Client, action: str, *orders: Order, **more: Any) -> Any:
    return client.post(
        ORDERS, {"action": action, "_selected_action": [o.pk for o in orders], **more}, follow=True
    )


def found(client: Client, **query: str) -> set[int]:
    text = client.get(ORDERS, query).content.decode()
    return {order.pk for order in Order.objects.all() if page_of(order) in text}


@pytest.mark.parametrize(
    "pasted",
    [
        "{o.name}",
        " {o.name} ",
        "{o.shopify_order_id}",
        "gid://shopify/Order/{o.shopify_order_id}",
        "https://admin.shopify.com/store/berlin/orders/{o.shopify_order_id}?x=1",
        "{p.external_id}",
        "{p.remote_id}",
        "{s.tracking_number}",
        "{s.wms_shipment_id}",
    ],
)
def test_an_order_is_found_by_what_is_pasted(admin_client: Client, pasted: str) -> None:
    warehouse = place()
    shipment, other = shipped(warehouse), shipped(warehouse)
    assert shipment.wms_order is not None
    assert other.wms_order is not None
    order = shipment.wms_order.order
    assert found(admin_client, q=pasted.format(o=order, p=shipment.wms_order, s=shipment)) == {order.pk}


@pytest.mark.parametrize("nonsense", ["", "  ", "nothing", "99999999999999999999", "%", "' OR 1=1"])
def test_nonsense_finds_nothing_or_all(admin_client: Client, nonsense: str) -> None:
    order = ordered(make_shop())
    assert found(admin_client, q=nonsense) == ({order.pk} if not nonsense.strip() else set())


@pytest.mark.parametrize(
    ("question", "meant"),
    [
        ("person", {"held", "held long"}),
        ("shopify", {"waiting"}),
        ("unshipped", {"late", "held long"}),
        ("at_warehouse_long", {"late"}),
        ("not_routed", {"held"}),
    ],
)
def test_the_operators_questions_have_answers(admin_client: Client, question: str, meant: set[str]) -> None:
    shop, long_ago = make_shop(), timezone.now() - timedelta(hours=25)
    orders = {
        "held": make_order(shop, state="held", reason="unmapped_sku"),
        "held long": make_order(shop, state="held", reason="no_address", ready_at=None, received_at=long_ago),
        "waiting": make_order(shop, state="waiting", reason="unpaid", ready_at=None, received_at=long_ago),
        "late": make_order(shop, state="at_warehouse", ready_at=long_ago, state_since=long_ago),
        "fresh": make_order(shop, state="at_warehouse"),
        "shipped": make_order(shop, state="shipped", ready_at=long_ago),
    }
    assert found(admin_client, question=question) == {orders[name].pk for name in meant}


def test_links_of_the_front_page_filter_by_state(admin_client: Client) -> None:
    shop = make_shop()
    held = make_order(shop, state="held", reason="no_warehouse")
    make_order(shop)
    assert found(admin_client, state__exact="held") == {held.pk}
    assert found(admin_client, reason__exact="no_warehouse") == {held.pk}


def test_the_list_counts_nothing_decrypts_nothing_and_does_not_grow(admin_client: Client) -> None:
    def statements() -> list[str]:
        with CaptureQueriesContext(connection) as captured:
            assert admin_client.get(ORDERS).status_code == 200
        return [each["sql"] for each in captured.captured_queries]

    warehouse = place()
    ordered(warehouse.shop)
    few = statements()
    for _ in range(20):
        ordered(warehouse.shop)
    many = statements()
    assert len(many) == len(few) <= 14
    on_orders = [sql for sql in many if 'FROM "fulfillment_order"' in sql]
    assert len(on_orders) == 1
    assert "ship_to" not in on_orders[0]
    assert "COUNT" not in on_orders[0]


def test_the_page_shows_everything_in_constant_statements(admin_client: Client) -> None:
    def statements(order: Order) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert admin_client.get(page_of(order)).status_code == 200
        return len(captured)

    order = shipped(place()).wms_order.order  # type: ignore[union-attr]
    statements(order)  # fills Django's cache of content types
    few = statements(order)
    line, part = order.lines.get(), order.wms_orders.get()
    for number in range(2, 6):
        line.pk, line.shopify_line_id = None, line.shopify_line_id + number
        line.save()
        row = make_wms_order(order, part.warehouse, part=number, external_id=f"{part.external_id}{number}")
        row.lines.create(order_line=line, item_code="MUG", quantity=1, per_unit=1)
        shipment = make_shipment(row)
        shipment.lines.create(item_code="MUG", quantity=1)
        shipment.units.create(order_line=line, quantity=1)
        make_job(subject=order.subject)
    assert statements(order) == few <= 25


def test_the_page_tells_the_whole_story(admin_client: Client) -> None:
    shipment = shipped(place())
    assert shipment.wms_order is not None
    order = shipment.wms_order.order
    Order.objects.filter(pk=order.pk).update(
        routing=[
            {"warehouse": 1, "name": "Lyon", "outcome": "stock", "detail": "MUG: 1 of 2"},
            {"warehouse": 2, "name": "Berlin", "outcome": "chosen", "detail": ""},
        ]
    )
    callback = f"wms:north:{shipment.wms_order.remote_id}"
    make_job("wms.shipment", subject=callback)
    raise_alert("cancel_too_late", subject=order.subject, title="Too late", meaning="m", action="Stop it.")
    raise_alert(
        "unmapped_sku", subject=Subject("sku:berlin.myshopify.com:11"), title="Map MUG", meaning="", action=""
    )
    raise_alert(
        "unmapped_sku", subject=Subject("sku:berlin.myshopify.com:12"), title="Map TEE", meaning="", action=""
    )
    text = admin_client.get(page_of(order)).content.decode()
    for told in (
        "A mug",
        shipment.tracking_number,
        str(shipment.shopify_fulfillment_id),
        f"https://berlin.myshopify.com/admin/orders/{order.shopify_order_id}",
        shipment.wms_order.remote_id,
        "does not have enough in stock (item: free of needed): MUG: 1 of 2",
        "fulfillment.submit",
        "wms.shipment",
        "Too late",
        "Stop it.",
        "Map MUG",
        "too late",
    ):
        assert told in text
    assert "Map TEE" not in text


def test_an_order_that_was_only_noticed_has_a_page(admin_client: Client) -> None:
    order = make_order(make_shop(), state="waiting", reason="no_fulfillment_orders")
    text = admin_client.get(page_of(order)).content.decode()
    assert "Not with any warehouse yet." in text
    assert "Not routed yet." in text


def test_names_and_addresses_need_their_own_permission(client: Client) -> None:
    order = ordered(make_shop())
    user = staff(client, "view_order")
    text = client.get(page_of(order)).content.decode()
    assert "Can see names and addresses" in text
    for secret in ("Lovelace", "Main Street", "10115", "a@b.example"):
        assert secret not in text
    client.logout()
    user.delete()
    staff(client, "view_order", "view_personal_data")
    assert "Lovelace" in client.get(page_of(order)).content.decode()
    assert "Lovelace" not in client.get(ORDERS).content.decode()


def test_read_again_enqueues_one_reading_and_leaves_a_log_entry(admin_client: Client) -> None:
    order, other = ordered(make_shop()), ordered(make_shop("paris.myshopify.com"))
    for _ in range(2):
        assert "To be read again at Shopify: 1." in act(admin_client, "read_again", order).content.decode()
    job = Job.objects.get()
    assert (job.kind, job.subject, job.lane_id) == (
        "fulfillment.read_orders",
        order.subject,
        "shop:berlin.myshopify.com",
    )
    assert {entry.object_id for entry in LogEntry.objects.all()} == {str(order.pk)} != {str(other.pk)}


def test_a_button_on_the_page_leads_back_to_the_page(admin_client: Client) -> None:
    order = ordered(make_shop())
    assert "Read again at Shopify" in admin_client.get(page_of(order)).content.decode()
    answer = act(admin_client, "read_again", order, page=str(order.pk))
    assert answer.redirect_chain == [(page_of(order), 302)]
    assert Job.objects.count() == 1


def test_route_again_lets_a_refused_order_go_on(admin_client: Client) -> None:
    order = at_warehouse(
        place(), state="held", reason="wms_rejected", part={"wms_status": "rejected", "outcome": "refused"}
    )
    assert "Route again</button>" in admin_client.get(page_of(order)).content.decode()
    act(admin_client, "route_again", order)
    order.refresh_from_db()
    assert (order.state, order.wms_orders.get().wms_status) == ("ready", "cancelled")
    assert Job.objects.filter(kind="fulfillment.read_orders", subject=order.subject).count() == 1
    assert LogEntry.objects.get().change_message == "To be routed again."


def test_route_again_changes_nothing_where_nothing_is_to_decide(admin_client: Client) -> None:
    order = at_warehouse(place())
    assert "Route again</button>" not in admin_client.get(page_of(order)).content.decode()
    before = list(Order.objects.values()), list(Job.objects.values())
    assert "nothing changed: 1." in act(admin_client, "route_again", order).content.decode()
    assert (list(Order.objects.values()), list(Job.objects.values())) == before
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("action", ["read_again", "route_again"])
def test_who_may_only_look_can_do_nothing(client: Client, action: str) -> None:
    order = ordered(make_shop(), state="held", reason="wms_rejected")
    staff(client, "view_order")
    act(client, action, order, page=str(order.pk))
    order.refresh_from_db()
    assert (order.state, order.reason) == ("held", "wms_rejected")
    assert not Job.objects.exists()
    assert not LogEntry.objects.exists()


def test_who_may_not_look_sees_nothing(client: Client) -> None:
    order = ordered(make_shop())
    staff(client, "view_job")
    assert [client.get(at).status_code for at in (ORDERS, page_of(order))] == [403, 403]
    assert act(client, "read_again", order).status_code == 403
    assert not Job.objects.exists()


def test_nobody_adds_edits_or_deletes_orders(admin_client: Client) -> None:
    order = ordered(make_shop())
    assert admin_client.get(f"{ORDERS}add/").status_code == 403
    assert admin_client.post(f"{ORDERS}{order.pk}/delete/", {"post": "yes"}).status_code == 403
    assert admin_client.post(page_of(order), {"state": "shipped"}).status_code == 403
    order.refresh_from_db()
    assert order.state == "ready"


def test_the_page_says_what_the_order_s_fields_mean(admin_client: Client) -> None:
    text = admin_client.get(page_of(ordered(make_shop()))).content.decode()
    assert "We first heard of the order at this time." in text
    assert "This is set if Shopify marks the order as a test order." in text
