from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from fulfillment.models import Order, WmsOrder
from fulfillment.models.states import OrderState, Reason
from inventory.models import StockLevel
from inventory.stock.levels import Observation, apply
from ops.alerting.alerts import raise_alert
from ops.models import Alert, Job, Lane
from ops.refs import Subject
from skumap.verification.review import mapping_saved
from tests.builders import make_level, make_mapping
from tests.drain import drain
from tests.fulfillment.scene import LATER, MUG, UNMAPPED, Scene
from tests.world import Json
from wms.availability import warehouses
from wms.models import Connection, Warehouse

pytestmark = pytest.mark.django_db


def test_one_unmapped_line_holds_the_whole_order_with_one_alert_per_sku(scene: Scene) -> None:
    first = scene.arrive((MUG, 1), (UNMAPPED, 1))
    second = scene.arrive((UNMAPPED, 2))
    assert {scene.row(o).reason for o in (first, second)} == {Reason.UNMAPPED_SKU}
    alert = Alert.objects.get(kind="unmapped_sku")
    assert "NEW-THING" in alert.title + alert.meaning + alert.action
    assert scene.wms_books()["orders"] == []
    assert StockLevel.objects.get(warehouse=scene.berlin, item_code="MUG").reserved == 0


def test_held_orders_go_on_by_themselves_once_the_sku_is_mapped(scene: Scene) -> None:
    orders = [scene.arrive((UNMAPPED, 1)) for _ in range(2)]
    StockLevel.objects.create(warehouse=scene.berlin, item_code="NEW", available=10, on_hand=10)
    mapping_saved([make_mapping(scene.berlin, UNMAPPED, "NEW")])
    drain()
    assert {scene.row(o).state for o in orders} == {OrderState.AT_WAREHOUSE}
    assert Alert.objects.get(kind="unmapped_sku").state == "closed"


def test_a_custom_line_holds_the_order_and_says_what_to_do(scene: Scene) -> None:
    custom = {"title": "Engraving", "sku": None, "quantity": 1, "requires_shipping": True}
    order = scene.shopify.post(
        "/shops/berlin.myshopify.com/orders",
        {"lines": [custom, {"variant_id": MUG, "quantity": 1}], "country": "DE"},
    )
    scene.webhook(order)
    drain()
    assert scene.row(order).reason == Reason.UNMAPPED_SKU
    assert Alert.objects.get().kind == "custom_line"


def test_an_order_that_nobody_can_serve_says_why_each_warehouse_was_passed_over(scene: Scene) -> None:
    order = scene.arrive((MUG, 1), country="US")
    row = scene.row(order)
    assert (row.state, row.reason) == (OrderState.HELD, Reason.NO_WAREHOUSE)
    assert [v["outcome"] for v in row.routing or []] == ["country", "country"]
    assert Alert.objects.get().kind == "no_warehouse"


def test_it_goes_on_once_a_warehouse_serves_the_country(scene: Scene) -> None:
    order = scene.arrive((MUG, 1), country="US")
    scene.lyon.serves_countries = []
    scene.lyon.save()
    warehouses.changed(scene.lyon)
    drain()
    assert scene.row(order).state == OrderState.AT_WAREHOUSE
    assert Alert.objects.get(kind="no_warehouse").state == "closed"


def test_without_stock_at_the_first_warehouse_the_second_sends_it(scene: Scene) -> None:
    scene.arrive((MUG, 8))
    scene.arrive((MUG, 8))
    assert [w.warehouse.name for w in WmsOrder.objects.order_by("id")] == ["Berlin", "Lyon"]


def test_without_stock_anywhere_it_waits_and_new_stock_lets_it_go(scene: Scene) -> None:
    order = scene.arrive((MUG, 11))
    assert scene.row(order).reason == Reason.NO_WAREHOUSE
    level = StockLevel.objects.get(warehouse=scene.lyon, item_code="MUG")
    assert level.observed_at is not None
    later = level.observed_at.replace(year=2027)
    apply(scene.lyon, [Observation("MUG", 20, 20, later, None)], source="test")
    drain()
    assert WmsOrder.objects.get().warehouse == scene.lyon


def test_a_paused_or_full_warehouse_is_passed_over(scene: Scene) -> None:
    scene.berlin.daily_capacity = 1
    scene.berlin.save()
    scene.arrive((MUG, 1))
    scene.arrive((MUG, 1))
    scene.lyon.paused = True
    scene.lyon.save()
    third = scene.arrive((MUG, 1))
    assert [w.warehouse.name for w in WmsOrder.objects.order_by("id")] == ["Berlin", "Lyon"]
    assert [v["outcome"] for v in scene.row(third).routing or []] == ["capacity", "paused"]


def test_a_parked_route_job_costs_nothing_while_it_waits(scene: Scene) -> None:
    scene.arrive((MUG, 1), country="US")
    job = Job.objects.get(kind="fulfillment.route")
    assert job.parked_on
    assert (job.state, job.attempts) == ("ready", 0)
    assert drain() == []


def test_an_item_that_was_mistyped_is_free_at_once_when_the_mapping_is_corrected(scene: Scene) -> None:
    """It reads as out of stock, so the order waits as «no warehouse» and not as «unmapped»."""
    wrong = make_mapping(scene.berlin, UNMAPPED, "NWE")
    order = scene.arrive((UNMAPPED, 2))
    assert scene.row(order).reason == Reason.NO_WAREHOUSE
    make_level(scene.berlin, "NEW", 10)
    wrong.wms_item_code = "NEW"
    wrong.save()
    mapping_saved([wrong])
    drain()
    assert scene.row(order).state == OrderState.AT_WAREHOUSE


def test_a_wrong_component_that_is_switched_off_frees_the_order_at_once(scene: Scene) -> None:
    scene.lyon.is_active = False
    scene.lyon.save()
    wrong = make_mapping(scene.berlin, MUG, "NOT-THERE")
    order = scene.arrive((MUG, 1))
    assert scene.row(order).reason == Reason.NO_WAREHOUSE
    wrong.is_active = False
    wrong.save()
    mapping_saved([wrong])
    drain()
    assert scene.row(order).state == OrderState.AT_WAREHOUSE


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"paused": True}, {"paused": False}),
        ({"is_active": False}, {"is_active": True}),
        ({"daily_capacity": 0}, {"daily_capacity": 5}),
        ({"serves_countries": ["FR"]}, {"serves_countries": ["DE"]}),
    ],
)
def test_each_cause_that_the_alert_names_frees_the_order_once_it_is_gone(
    scene: Scene, before: dict[str, object], after: dict[str, object]
) -> None:
    Warehouse.objects.filter(id=scene.lyon.id).update(is_active=False)
    Warehouse.objects.filter(id=scene.berlin.id).update(**before)
    order = scene.arrive((MUG, 1))
    assert scene.row(order).reason == Reason.NO_WAREHOUSE
    Warehouse.objects.filter(id=scene.berlin.id).update(**after)
    scene.berlin.refresh_from_db()
    warehouses.changed(scene.berlin)
    drain()
    assert scene.row(order).state == OrderState.AT_WAREHOUSE


def test_a_connection_that_is_switched_on_frees_the_order(scene: Scene) -> None:
    Connection.objects.update(is_active=False)
    order = scene.arrive((MUG, 1))
    assert scene.row(order).reason == Reason.NO_WAREHOUSE
    Connection.objects.update(is_active=True)
    connection = Connection.objects.get(slug="north")
    warehouses.connection_changed(connection)
    drain()
    assert scene.row(order).state == OrderState.AT_WAREHOUSE


def test_since_is_when_it_began_to_be_held_whatever_is_said_of_it_since(scene: Scene) -> None:
    order = scene.arrive((MUG, 11))
    began = timezone.now() - timedelta(hours=5)
    Order.objects.update(state_since=began)
    before = scene.row(order).reason_detail
    level = StockLevel.objects.get(warehouse=scene.lyon, item_code="MUG")
    assert level.observed_at is not None
    apply(scene.lyon, [Observation("MUG", 9, 9, level.observed_at.replace(year=2027), None)], source="test")
    scene.webhook(order)
    drain()
    row = scene.row(order)
    assert row.reason_detail != before
    assert row.state_since == began
    scene.staff(order, "hold")
    drain()
    assert scene.row(order).state_since > began


def shown(client: Client, scene: Scene, order: Json) -> tuple[str, str, str]:
    """The list of what is routed and not sent, the order's page, and the front page, as staff see them."""
    addresses = (
        reverse("admin:fulfillment_order_changelist") + "?question=unsent",
        reverse("admin:fulfillment_order_change", args=[scene.row(order).pk]),
        reverse("admin:index"),
    )
    first, second, third = (client.get(address).content.decode() for address in addresses)
    return first, second, third


def test_what_is_routed_to_a_warehouse_that_was_paused_says_so(scene: Scene, admin_client: Client) -> None:
    scene.wms.fault("POST /north/orders", "429")
    order = scene.arrive((MUG, 1))
    Warehouse.objects.filter(id=scene.berlin.id).update(paused=True)
    drain(advance=LATER)
    assert scene.row(order).state == OrderState.READY
    listed, page, front = shown(admin_client, scene, order)
    for text in (listed, page):
        assert "routed to Berlin (north/BER1), not sent: this warehouse is paused since " in text
    assert "wait: berlin.myshopify.com: Berlin (north/BER1) is paused" in front


def test_what_waits_for_a_wms_that_is_down_says_since_when(scene: Scene, admin_client: Client) -> None:
    scene.wms.fault("POST /north/orders", "429")
    order = scene.arrive((MUG, 1))
    lane = scene.berlin.connection.lane
    Lane.objects.filter(name=lane).update(circuit="open", open_until=timezone.now() + timedelta(hours=1))
    raise_alert("circuit_open", subject=Subject(lane), title="north is down", meaning="-", action="-")
    listed, page, _ = shown(admin_client, scene, order)
    for text in (listed, page):
        assert "not sent: WMS north does not answer since " in text


def test_what_is_sent_is_not_listed_as_unsent(scene: Scene, admin_client: Client) -> None:
    order = scene.arrive((MUG, 1))
    listed, page, _ = shown(admin_client, scene, order)
    assert f">{scene.row(order).name}<" not in listed
    assert "not sent:" not in page
