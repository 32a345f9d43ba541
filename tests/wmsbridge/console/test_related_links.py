"""From a dead letter or an alert to what it is about, and to what removes its cause."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from ops.alerting.alerts import raise_alert
from ops.models import Alert
from ops.refs import Subject
from tests.builders import make_connection, make_dead_letter, make_shipment, make_shop, make_warehouse
from tests.fulfillment.order_rows import at_warehouse, place
from wmsbridge.console.related_links import of_alert, related_links

pytestmark = pytest.mark.django_db


def texts(user: Any, subject: str, lane: str = "", **payload: Any) -> list[str]:
    return [link.text for link in related_links(subject, lane=lane, payload=payload, user=user)]


def test_a_refused_submission_leads_to_all_that_may_be_wrong(
    admin_user: Any, django_assert_max_num_queries: Any
) -> None:
    order = at_warehouse(place())
    part = order.wms_orders.get()
    with django_assert_max_num_queries(9):
        found = texts(admin_user, order.subject, "wms:north", wms_order=part.pk)
    assert found == [
        f"Order {order.name}",
        "WMS order, part 1",
        "Warehouse Berlin (north/BER1)",
        "SKU mappings of MUG",
        "Connection north",
        "The order in Shopify",
    ]


def test_every_form_of_subject_finds_its_page(admin_user: Any) -> None:
    order = at_warehouse(place())
    part = order.wms_orders.get()
    shipment = make_shipment(part, wms_shipment_id="S:1")
    for subject in (part.external_id, f"wms:north:{part.remote_id}"):
        assert f"Order {order.name}" in texts(admin_user, subject)
    assert texts(admin_user, f"shipment:{shipment.connection_id}:S:1") == ["Shipment S:1"]
    assert texts(admin_user, f"shop:{order.shop_id}") == texts(admin_user, "shop:berlin.myshopify.com")
    assert texts(admin_user, "sku:berlin.myshopify.com:11") == ["Its SKU mappings"]


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "order:1:x",
        f"order:{'9' * 18}:{'9' * 19}",
        "wms:",
        "shop:",
        "wms:order:",
        "shipment:1:",
        "sku:b:x",
        ":",
        "x" * 300,
    ],
)
def test_what_is_about_nothing_leads_nowhere(admin_user: Any, subject: str) -> None:
    assert texts(admin_user, subject, subject, wms_order=0) == []


def test_nobody_is_led_to_what_they_may_not_see(client: Client) -> None:
    order = at_warehouse(place())
    looker = User.objects.create_user("looker", is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_shop"))
    assert texts(looker, order.subject, "shop:berlin.myshopify.com/in") == ["Shop berlin.myshopify.com"]


def test_an_alert_of_dead_letters_leads_to_their_list(admin_user: Any, admin_client: Client) -> None:
    dead = make_dead_letter("inventory.push", "shop:berlin.myshopify.com")
    raise_alert(
        "dead_letter", subject=Subject(f"{dead.kind} {dead.lane_id}"), title="t", meaning="m", action="a"
    )
    alert = Alert.objects.get()
    found = of_alert(alert, user=admin_user)
    assert f"/admin/ops/job/{dead.pk}/change/" in admin_client.get(found[0].url).content.decode()
    assert "These dead letters" in admin_client.get(f"/admin/ops/alert/{alert.pk}/change/").content.decode()


@pytest.mark.parametrize(
    ("kind", "cause", "texts"),
    [
        ("dead_letter_depth", "submission", ["All dead letters"]),
        ("wms_api_errors", "north", ["Dead letters of wms:north", "Connection north", "Lane wms:north"]),
        (
            "stock_sync_lag",
            "read:berlin.myshopify.com:north/BER1",
            ["Connection north", "Lane wms:north", "Shop berlin.myshopify.com"],
        ),
    ],
)
def test_a_health_alert_leads_to_what_it_names(
    admin_user: Any, kind: str, cause: str, texts: list[str]
) -> None:
    make_warehouse(make_shop(), make_connection())
    make_dead_letter()
    raise_alert(f"health_{kind}", subject=Subject(kind), cause=cause, title="t", meaning="m", action="a")
    found = of_alert(Alert.objects.get(kind=f"health_{kind}"), user=admin_user)
    assert [link.text for link in found] == texts


def test_a_health_alert_leads_to_its_order_or_parcel_and_to_the_list(
    admin_client: Client, admin_user: Any
) -> None:
    order = at_warehouse(place())
    shipment = make_shipment(order.wms_orders.get(), wms_shipment_id="S:1")
    for kind, cause, expected in (
        ("health_order_submission_lag", order.subject, [f"Order {order.name}", "All lanes"]),
        ("health_unmapped_sku_rate", "", ["SKUs that are not mapped", "Orders that they hold"]),
        (
            "health_fulfilment_callback_time",
            f"shipment:{shipment.connection_id}:S:1",
            ["Shipment S:1", "Shipments that Shopify does not know yet"],
        ),
    ):
        raise_alert(kind, subject=Subject(kind), title="t", meaning="m", action="a", cause=cause or kind)
        found = of_alert(Alert.objects.get(kind=kind), user=admin_user)
        assert {link.text for link in found} >= set(expected)
        assert {admin_client.get(link.url).status_code for link in found if not link.away} == {200}
