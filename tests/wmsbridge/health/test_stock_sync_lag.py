"""Stock sync lag: whatever keeps an actively sold SKU from being synced is seen, told, and over once it is cured."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db.models import F
from django.test import Client
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from inventory import reservations
from inventory.models import StockLevel, Watermark
from inventory.push import push_due
from inventory.reservations import Need
from inventory.tasks import reconcile_all
from ops.models import Alert, Job, Lane
from tests.builders import (
    make_connection,
    make_level,
    make_mapping,
    make_shop,
    make_warehouse,
    make_watermark,
)
from tests.drain import drain
from wms.models import Connection, Warehouse
from wmsbridge import health
from wmsbridge.schedules import rows as schedules
from wmsbridge.tasks import measure_health

pytestmark = pytest.mark.django_db

MUG, UNMAPPED = 201, 204
KIND = "health_stock_sync_lag"


def lag() -> health.Measurement:
    return next(each for each in health.measure() if each.metric.name == "stock_sync_lag")


def pass_time(hours: float) -> None:
    """What was heard of stock until now was heard so long ago."""
    ago = timedelta(hours=hours)
    StockLevel.objects.update(observed_at=F("observed_at") - ago, read_at=F("read_at") - ago)
    for name in ("full_at", "updated_since", "started_at"):
        Watermark.objects.update(**{name: F(name) - ago})


def read_stock() -> None:
    """The schedule ticks, and what it asks for is done."""
    reconcile_all()
    drain(advance=timedelta(minutes=5))


def sell(warehouse: Warehouse, item: str = "MUG") -> None:
    assert not reservations.reserve("wms:order:b:1:1", [Need(warehouse.pk, item, 1)])


@pytest.fixture
def sold(scene: Any) -> Any:
    """A mug was ordered from Berlin, and all stock was just read."""
    scene.arrive((MUG, 1))
    read_stock()
    assert lag().reading.value < 60
    return scene


def alerted() -> Alert:
    measure_health()
    return Alert.objects.get(kind=KIND, state="open")


def is_over(client: Client) -> bool:
    measure_health()
    tile = 'data-metric="stock_sync_lag" data-tone="success"'
    return (
        not Alert.objects.filter(kind=KIND, state="open").exists()
        and tile in client.get("/admin/").content.decode()
    )


def falls_silent(scene: Any) -> Callable[[], object]:
    """The WMS answers every reading 503."""
    scene.wms.fault("GET /north/inventory", "503", count=1000)
    pass_time(1)
    read_stock()
    return scene.wms.heal


def is_paused(scene: Any) -> Callable[[], object]:
    """A person paused the lane of the WMS."""
    lanes = Lane.objects.filter(name="wms:north")
    lanes.update(paused=True)
    pass_time(1)
    read_stock()
    return lambda: lanes.update(paused=False)


def is_not_asked(scene: Any) -> Callable[[], object]:
    """Nobody schedules anything."""
    pass_time(1)
    return lambda: None


def lists_nothing(scene: Any) -> Callable[[], object]:
    """The WMS answers 200 with an empty list."""
    account = {"slug": "north", "token": "wms-token", "callback_secret": "wms-secret"}
    scene.wms.post("/reset")
    for slug in ("north", "south"):
        scene.wms.post("/connections", {**account, "slug": slug, "warehouses": []})
    pass_time(25)
    read_stock()

    def cure() -> None:
        for slug, code in (("north", "BER1"), ("south", "LYO1")):
            stock = {"MUG": 9, "TEE": 10, "BOX": 10}
            scene.wms.post(
                "/connections", {**account, "slug": slug, "warehouses": [{"code": code, "stock": stock}]}
            )

    return cure


@pytest.mark.parametrize("happens", [falls_silent, is_paused, is_not_asked, lists_nothing])
def test_a_wms_whose_stock_is_not_heard_of_is_told_with_its_sku_and_over_once_it_is_read(
    sold: Any, happens: Callable[[Any], Callable[[], object]], admin_client: Client
) -> None:
    cure = happens(sold)
    alert = alerted()
    assert alert.title.startswith(
        "Stock sync lag: SKU-MUG (item MUG) at Berlin (north/BER1), berlin.myshopify.com was"
    )
    assert alert.shop == "berlin.myshopify.com"
    assert "it should be read every 15 min" in alert.meaning
    assert "Shopify may sell what is not there" in alert.meaning
    assert "wms:north" in alert.action
    drain()
    assert f"[wmsbridge] warning: {alert.title}" in [message.subject for message in mail.outbox]
    cure()
    read_stock()
    assert is_over(admin_client)


def test_a_paused_lane_is_what_the_alert_says_to_end(sold: Any) -> None:
    is_paused(sold)
    assert "Lane wms:north is paused: resume it." in alerted().action


def test_an_item_that_the_wms_lists_no_more_is_late_while_the_others_are_not(sold: Any) -> None:
    pass_time(25)
    StockLevel.objects.filter(item_code="MUG").update(item_code="WAS-MUG")  # renamed at the WMS, not here
    make_mapping(sold.berlin, 999, "WAS-MUG")
    read_stock()
    assert "SKU-WAS-MUG (item WAS-MUG) at Berlin (north/BER1)" in alerted().title


def test_a_sku_that_was_never_reported_is_told_once_an_order_waited_for_twice_the_interval(
    scene: Any, admin_client: Client
) -> None:
    mapping = make_mapping(scene.berlin, UNMAPPED, "NEW-THINNG", shopify_inventory_item_id=UNMAPPED + 1000)
    scene.arrive((UNMAPPED, 1))
    read_stock()
    assert not lag().crossed
    Job.objects.exclude(parked_since=None).update(parked_since=timezone.now() - timedelta(hours=1))
    alert = alerted()
    assert (
        "SKU-NEW-THINNG (item NEW-THINNG) at Berlin (north/BER1), berlin.myshopify.com was never reported"
        in alert.title
    )
    assert "Correct the item code in the SKU mapping" in alert.action
    mapping.delete()
    assert is_over(admin_client)


def test_a_level_that_shopify_is_not_told_of_is_late_by_itself(sold: Any, admin_client: Client) -> None:
    Lane.objects.filter(name="shop:berlin.myshopify.com").update(paused=True)
    sold.callback("inventory", {"wmsItemCode": "TEE", "warehouseId": "BER1", "availableQuantity": 4})
    StockLevel.objects.filter(item_code="TEE", warehouse__name="Berlin").update(
        push_due_since=timezone.now() - timedelta(minutes=31)
    )
    alert = alerted()
    assert (
        "SKU-TEE (item TEE) at Berlin (north/BER1), berlin.myshopify.com has not been sent to Shopify for 31 min"
        in alert.title
    )
    assert "Lane shop:berlin.myshopify.com is paused" in alert.action
    Lane.objects.update(paused=False)
    drain(advance=timedelta(minutes=1))
    assert is_over(admin_client)


def test_what_is_only_compared_is_not_late(sold: Any, admin_client: Client) -> None:
    Lane.objects.filter(name="shop:berlin.myshopify.com").update(paused=True)
    assert push_due.compare_all() > 0
    StockLevel.objects.filter(push_compares=True).update(push_due_since=timezone.now() - timedelta(hours=5))
    assert is_over(admin_client)


@pytest.fixture
def berlin() -> Warehouse:
    """MUG is mapped, known since a moment ago, and read in time."""
    warehouse = make_warehouse(make_shop(), make_connection())
    make_mapping(warehouse)
    make_level(warehouse)
    now = timezone.now()
    make_watermark(warehouse.connection, updated_since=now, full_at=now)
    StockLevel.objects.update(read_at=now)
    return warehouse


def test_what_nobody_buys_is_not_waited_for(berlin: Warehouse) -> None:
    pass_time(1)
    assert lag().reading.value == 0
    sell(berlin)
    assert lag().reading.value == pytest.approx(3600, abs=60)
    StockLevel.objects.update(promised_at=timezone.now() - timedelta(days=8))
    assert lag().reading.value == 0


def test_within_twice_the_interval_all_is_well(berlin: Warehouse) -> None:
    sell(berlin)
    pass_time(0.45)
    assert not lag().crossed
    pass_time(0.1)
    assert lag().crossed


def test_who_reads_more_seldom_is_late_later(berlin: Warehouse) -> None:
    hourly = schedules.interval_of(3600)
    PeriodicTask.objects.filter(name="inventory.reconcile_all").update(interval=hourly)
    sell(berlin)
    pass_time(1.9)
    assert not lag().crossed
    pass_time(0.2)
    assert (lag().crossed, lag().threshold) == (True, 7200)


def test_a_word_of_the_wms_by_itself_is_an_update(berlin: Warehouse) -> None:
    sell(berlin)
    pass_time(1)
    StockLevel.objects.update(observed_at=timezone.now())
    assert not lag().crossed


def test_a_wms_that_can_only_tell_everything_is_late_after_two_days(berlin: Warehouse) -> None:
    Connection.objects.update(capabilities=["find_order"])
    sell(berlin)
    pass_time(47)
    assert not lag().crossed
    pass_time(2)
    assert lag().crossed
    assert lag().threshold == 2 * 24 * 3600


def test_what_is_sold_from_another_warehouse_of_the_shop_is_waited_for_too(berlin: Warehouse) -> None:
    lyon = make_warehouse(berlin.shop, make_connection("south"), "Lyon")
    make_mapping(lyon)
    make_level(lyon, observed_at=timezone.now() - timedelta(hours=3))
    sell(berlin)
    assert "MUG at Lyon (south/LYO1)" in lag().reading.detail.replace("SKU-MUG (item MUG)", "MUG")
    assert lag().crossed


@pytest.mark.parametrize("who", [Connection, Warehouse])
def test_what_is_switched_off_is_not_waited_for(berlin: Warehouse, who: Any) -> None:
    sell(berlin)
    StockLevel.objects.update(push_due_since=None)
    pass_time(1)
    who.objects.update(is_active=False)
    assert not lag().crossed


def test_metrics_show_the_age_by_step_shop_and_warehouse(berlin: Warehouse, client: Client) -> None:
    sell(berlin)
    pass_time(1)
    text = client.get("/metrics").content.decode()
    assert (
        'wmsbridge_stock_sync_lag_parts{shop="berlin.myshopify.com",step="read",warehouse="north/BER1"} 3'
        in text
    )
    assert 'wmsbridge_health_threshold{metric="stock_sync_lag"} 1800.0' in text


def test_an_order_tells_that_an_item_is_sold_and_its_end_does_not(berlin: Warehouse) -> None:
    StockLevel.objects.update(read_at=None)
    sell(berlin)
    before = StockLevel.objects.get()
    assert (before.promised_at is not None, before.read_at) == (True, None)
    reservations.release("wms:order:b:1:1")
    assert StockLevel.objects.get().promised_at == before.promised_at
