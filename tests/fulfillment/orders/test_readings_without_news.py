"""A reading that changed nothing writes nothing. What follows from it for another cause still follows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from fulfillment.models import FulfillmentOrder, FulfillmentOrderLine, OrderLine, WmsOrder
from fulfillment.models.states import OrderState, Reason
from fulfillment.orders import sync
from inventory.models import Commitment, StockLevel
from ops.alerting.alerts import raise_alert
from ops.models import Alert, Job
from shops.models import Shop
from tests.drain import drain
from tests.fulfillment.scene import GIFT_CARD, LATER, LYON, MUG, STORE, TEE, Scene
from tests.world import Json
from wms.models import Warehouse

pytestmark = pytest.mark.django_db

CHANGES = ("INSERT", "UPDATE", "DELETE", "WITH", "SELECT ops_enqueue")


def statements(scene: Scene, order: Json) -> list[str]:
    """The statements of a reading, without the request for it and without BEGIN and COMMIT."""
    with CaptureQueriesContext(connection) as queries:
        sync.read(scene.shop.id, [order["id"]])
    return [sql for query in queries if "SAVEPOINT" not in (sql := query["sql"].strip())]


def changes(said: list[str]) -> list[str]:
    return [sql for sql in said if sql.startswith(CHANGES)]


def waits(scene: Scene) -> Json:
    return scene.arrive((MUG, 1), paid=False)


def is_at_work(scene: Scene) -> Json:
    return scene.arrive((MUG, 1), (TEE, 2))


def is_shipped(scene: Scene) -> Json:
    order = scene.arrive((MUG, 1), (TEE, 2))
    scene.ship(order)
    scene.webhook(order)
    drain()
    return order


def is_elsewhere(scene: Scene) -> Json:
    return scene.arrive((MUG, 1), at=STORE)


def is_digital(scene: Scene) -> Json:
    return scene.arrive((GIFT_CARD, 1))


def has_no_address(scene: Scene) -> Json:
    return scene.arrive((MUG, 1), address=None)


@pytest.mark.parametrize("arrive", [waits, is_at_work, is_shipped, is_elsewhere, is_digital, has_no_address])
def test_it_takes_four_statements_and_moves_only_the_time(
    scene: Scene, arrive: Callable[[Scene], Json]
) -> None:
    order = arrive(scene)
    before = scene.row(order)
    said = statements(scene, order)
    (dates,) = changes(said)
    assert "UPDATE fulfillment_order SET read_at" in dates
    assert len(said) == 4, said
    after = scene.row(order)
    assert after.read_at > before.read_at
    unchanged = [field for field in vars(before) if field not in ("_state", "read_at", "shopify_updated_at")]
    assert [getattr(after, field) for field in unchanged] == [getattr(before, field) for field in unchanged]


def test_its_rows_stay_the_same_when_the_work_changes(scene: Scene) -> None:
    order = scene.arrive((MUG, 1), (TEE, 2))
    models = (OrderLine, FulfillmentOrder, FulfillmentOrderLine)
    before = [list(model.objects.order_by("id").values_list("id", flat=True)) for model in models]
    scene.ship(order)
    scene.webhook(order)
    drain()
    assert FulfillmentOrder.objects.get().status == "CLOSED"
    assert [list(model.objects.order_by("id").values_list("id", flat=True)) for model in models] == before


def test_a_first_reading_and_that_after_our_own_fulfillment_are_cheap(scene: Scene) -> None:
    order = scene.place((MUG, 1), (TEE, 2))
    assert len(statements(scene, order)) == 6
    drain()
    scene.ship(order)
    assert len(statements(scene, order)) == 4


def test_the_time_of_a_known_change_moves_on_so_that_no_backfill_reads_it_again(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    earlier = scene.row(order).shopify_updated_at - timedelta(seconds=1)
    FulfillmentOrder.objects.update(shopify_updated_at=earlier)
    assert len(statements(scene, order)) == 4
    assert FulfillmentOrder.objects.filter(shopify_updated_at__gt=earlier).exists()


def test_a_hold_is_stored_once_and_its_end_too(scene: Scene) -> None:
    order = scene.arrive((MUG, 1), hold="HIGH_RISK_OF_FRAUD")
    scene.staff(order, "release")
    drain()
    assert scene.row(order).state == OrderState.AT_WAREHOUSE
    assert FulfillmentOrder.objects.get().hold_reason == ""


# What must follow although Shopify says nothing new


def test_a_location_that_became_ours(scene: Scene) -> None:
    order = is_elsewhere(scene)
    assert scene.row(order).reason == Reason.ELSEWHERE
    Warehouse.objects.filter(id=scene.lyon.id).update(shopify_location_id=STORE)
    scene.webhook(order)
    drain()
    assert scene.row(order).state == OrderState.AT_WAREHOUSE


def test_a_location_that_is_not_ours_any_more(scene: Scene) -> None:
    Warehouse.objects.update(paused=True)
    order = scene.arrive((MUG, 1))
    Warehouse.objects.filter(id=scene.berlin.id).update(shopify_location_id=999)
    scene.webhook(order)
    drain()
    assert scene.row(order).state == OrderState.NOTHING_TO_SHIP


def test_a_warehouse_that_is_open_again(scene: Scene) -> None:
    Warehouse.objects.update(paused=True)
    order = scene.arrive((MUG, 1))
    assert scene.wms_books()["orders"] == []
    Warehouse.objects.update(paused=False)
    scene.webhook(order)
    drain()
    assert scene.row(order).state == OrderState.AT_WAREHOUSE


def test_settings_of_the_shop_that_were_changed(scene: Scene) -> None:
    unpaid, test_order = waits(scene), scene.arrive((MUG, 1), test=True)
    Shop.objects.update(submit_policy=Shop.SubmitPolicy.ALWAYS, submit_test_orders=True)
    for order in (unpaid, test_order):
        scene.webhook(order)
    drain()
    assert [scene.row(order).state for order in (unpaid, test_order)] == [OrderState.AT_WAREHOUSE] * 2


def test_stock_that_came_without_a_word(scene: Scene) -> None:
    StockLevel.objects.update(available=0)
    order = scene.arrive((MUG, 1))
    assert scene.row(order).state == OrderState.HELD
    StockLevel.objects.update(available=5)
    scene.webhook(order)
    drain()
    assert scene.row(order).state == OrderState.AT_WAREHOUSE


def test_the_next_reading_of_an_order_that_has_a_date(scene: Scene) -> None:
    soon = timezone.now() + timedelta(hours=2)
    order = scene.arrive((MUG, 1), fulfill_at=soon.isoformat())
    Job.objects.filter(kind="fulfillment.read_orders").delete()
    scene.webhook(order)
    drain()
    next_one = Job.objects.get(kind="fulfillment.read_orders", state=Job.State.READY)
    assert next_one.run_at > soon


def test_the_second_reading_that_confirms_a_surplus(scene: Scene) -> None:
    order = scene.arrive((MUG, 2))
    (work,) = scene.shopify_order(order)["fulfillment_orders"]
    scene.move_units(work, work["lines"][0], 2, to=STORE)
    scene.webhook(order)
    drain()
    row = scene.row(order)
    assert row.surplus
    row.surplus["since"] = (row.read_at - LATER).isoformat()
    row.save()
    assert WmsOrder.objects.get().wms_status == "accepted"
    drain(advance=LATER)  # Shopify says the same again
    assert WmsOrder.objects.get().wms_status == "cancelled"


def test_units_whose_warehouse_gave_them_back(scene: Scene) -> None:
    order = is_at_work(scene)
    WmsOrder.objects.update(wms_status="cancelled")
    scene.webhook(order)
    drain()
    assert [row.wms_status for row in WmsOrder.objects.order_by("part")] == ["cancelled", "accepted"]


def test_commitments_that_are_not_up_to_date(scene: Scene) -> None:
    order = is_at_work(scene)
    known = list(Commitment.objects.order_by("item_code").values_list("item_code", "quantity"))
    Commitment.objects.filter(item_code="MUG").delete()
    Commitment.objects.filter(item_code="TEE").update(quantity=1)
    scene.webhook(order)
    drain()
    assert list(Commitment.objects.order_by("item_code").values_list("item_code", "quantity")) == known


@pytest.mark.parametrize("kind", ["order_unreadable", "order_moved", "order_held_back"])
def test_alerts_whose_cause_is_gone(scene: Scene, kind: str) -> None:
    order = is_at_work(scene)
    raise_alert(kind, subject=scene.row(order).subject, title="t", meaning="m", action="a")
    scene.webhook(order)
    drain()
    assert Alert.objects.get(kind=kind).state == Alert.State.CLOSED


def test_an_alert_that_a_person_closed_although_its_cause_remains(scene: Scene) -> None:
    order = has_no_address(scene)
    Alert.objects.update(state=Alert.State.CLOSED, closed_at=timezone.now())
    scene.webhook(order)
    drain()
    assert Alert.objects.filter(kind="order_held_back", state=Alert.State.OPEN).count() == 1


def test_work_at_its_location_is_noted_once(scene: Scene) -> None:
    order = is_at_work(scene)
    WmsOrder.objects.update(at_location_since=None)
    scene.webhook(order)
    drain()
    assert WmsOrder.objects.get().at_location_since is not None


def test_a_state_that_does_not_fit_the_parts(scene: Scene) -> None:
    order = is_at_work(scene)
    WmsOrder.objects.update(wms_status="shipped")
    scene.webhook(order)
    drain()
    assert scene.row(order).state == OrderState.SHIPPED


def test_work_at_another_warehouse_of_ours_is_no_news(scene: Scene) -> None:
    order = scene.arrive((MUG, 1), at=LYON)  # Berlin sends it, and Shopify's work was moved there
    scene.webhook(order)
    drain()
    assert len(statements(scene, order)) == 4
