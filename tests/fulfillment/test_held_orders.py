from __future__ import annotations

import pytest

from fulfillment.models import WmsOrder
from fulfillment.states import OrderState, Reason
from inventory.levels import Observation, apply
from inventory.models import StockLevel
from ops.models import Alert, Job
from skumap.verification import mapping_saved
from tests.builders import make_mapping
from tests.drain import drain
from tests.fulfillment.scene import MUG, UNMAPPED, Scene
from wms import warehouses

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
    scene.notice(order)
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
