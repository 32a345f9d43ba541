"""The demo: its data can be loaded, its verdict finds faults, and the whole of it ends well."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from copy import deepcopy
from itertools import islice
from pathlib import Path
from typing import Any, cast

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from fulfillment.models.states import OrderState
from shops.models import Shop
from skumap.models import SkuMapping
from tests.builders import (
    make_connection,
    make_dead_letter,
    make_order,
    make_shipment,
    make_shop,
    make_warehouse,
    make_wms_order,
)
from wms.models import Connection, Warehouse
from wmsbridge.demo import world
from wmsbridge.demo.actors import PlacedOrder
from wmsbridge.demo.order_snapshot import take_snapshots
from wmsbridge.demo.sandbox_api import Sandbox
from wmsbridge.demo.scenarios import Scenario, opening_scenarios
from wmsbridge.demo.verdict import judge, spread

DEMO = [sys.executable, "-m", "wmsbridge.embedded", sys.executable, "manage.py", "demo"]


class Books:
    """A sandbox of which only the books are read."""

    def __init__(self, shopify: Mapping[str, Any], wms: Mapping[str, Any]) -> None:
        self.shopify_books = lambda: shopify
        self.wms_books = lambda: wms

    def deliveries(self) -> list[dict[str, Any]]:
        return [{"attempts": [{"status": 200, "seconds": 0.01}, {"status": 503, "seconds": 9.0}]}]


@pytest.fixture
def shipped() -> tuple[PlacedOrder, dict[str, Any], dict[str, Any]]:
    """One plain order that is shipped and reported to Shopify, and the books of both sides."""
    shop = make_shop()
    order = make_order(shop, state="shipped")
    wms_order = make_wms_order(order, make_warehouse(shop, make_connection()), wms_status="shipped")
    make_shipment(wms_order, state="fulfilled", shopify_fulfillment_id=7, tracking_number="T1")
    lines = [{"fulfilled_quantity": 1}]
    fulfillment = {"tracking": {"numbers": ["T1"]}}
    shopify_order = {"id": order.shopify_order_id, "lines": lines, "fulfillments": [fulfillment]}
    shop_books = {"orders": [shopify_order], "errors": [], "throttled": 0, "rest_429": 0, "requests": {}}
    parcel = {"externalOrderId": wms_order.external_id, "trackingNumber": "T1"}
    at_wms = {"externalOrderId": wms_order.external_id, "lines": [{"shipped": 1}]}
    wms = {"connections": {"north": {"orders": [at_wms], "shipments": [parcel], "duplicates": []}}}
    placed = PlacedOrder(next(opening_scenarios()), order.shopify_order_id, order.name)
    return placed, {"shops": {shop.domain: shop_books}}, wms


def faults(placed: PlacedOrder, shopify: Mapping[str, Any], wms: Mapping[str, Any]) -> tuple[str, ...]:
    return judge(take_snapshots([placed]), cast(Sandbox, Books(shopify, wms))).faults


@pytest.mark.django_db
def test_the_world_loads_through_the_commands_of_staff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in world.secrets().items():
        monkeypatch.setenv(name, value)
    (tmp_path / "demo.toml").write_text(world.config_toml("http://127.0.0.1:9002"))
    call_command("load_config", str(tmp_path / "demo.toml"), verbosity=0)
    for store in world.STORES:
        (tmp_path / "skus.csv").write_text(world.skus_csv(store))
        for warehouse in store.warehouses:
            call_command(
                "import_skus", str(tmp_path / "skus.csv"), shop=store.domain, warehouse=warehouse.code
            )
    assert (Shop.objects.count(), Connection.objects.count(), Warehouse.objects.count()) == (2, 2, 4)
    assert SkuMapping.objects.values("shop", "shopify_sku").distinct().count() == 50
    assert not SkuMapping.objects.filter(shopify_sku__endswith="-NEW").exists()


def test_the_opening_has_every_scenario() -> None:
    scenarios: list[Scenario] = list(islice(opening_scenarios(), 20))
    assert {scenario.final_state for scenario in scenarios} >= {
        OrderState.SHIPPED,
        OrderState.PARTIALLY_SHIPPED,
        OrderState.CANCELLED,
        OrderState.HELD,
    }
    assert any(scenario.unmapped for scenario in scenarios)


def test_percentiles_are_nearest_rank() -> None:
    found = spread(n / 100 for n in range(1, 101))
    assert (found.count, found.median, found.p99) == (100, 0.5, 0.99)
    assert spread([]).count == 0


@pytest.mark.django_db
def test_an_order_that_went_well_is_no_fault(shipped: Any) -> None:
    placed, shopify, wms = shipped
    summary = judge(take_snapshots([placed]), cast(Sandbox, Books(shopify, wms)))
    assert summary.faults == ()
    assert (summary.answers.count, summary.states) == (1, {"shipped": 1})


@pytest.mark.django_db
def test_an_order_that_is_twice_at_the_wms_is_a_fault(shipped: Any) -> None:
    placed, shopify, wms = shipped
    twice = deepcopy(wms)
    twice["connections"]["north"]["orders"] *= 2
    assert any("2 times at the WMS" in fault for fault in faults(placed, shopify, twice))


@pytest.mark.django_db
def test_a_parcel_that_is_reported_twice_is_a_fault(shipped: Any) -> None:
    placed, shopify, wms = shipped
    twice = deepcopy(shopify)
    twice["shops"]["berlin.myshopify.com"]["orders"][0]["fulfillments"] *= 2
    assert any("Shopify was told {'T1': 2}" in fault for fault in faults(placed, twice, wms))


@pytest.mark.django_db
def test_an_order_that_stands_still_and_a_dead_letter_are_faults(shipped: Any) -> None:
    placed, shopify, wms = shipped
    make_dead_letter()
    order = take_snapshots([placed])[0].order
    assert order is not None
    type(order).objects.update(state="at_warehouse")
    found = " ".join(faults(placed, shopify, wms))
    assert "is at warehouse instead of shipped" in found
    assert "dead letter fulfillment.submit" in found


def test_it_refuses_a_database_that_is_not_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.DATABASES["default"], "HOST", "db.example.com")
    with pytest.raises(CommandError, match="make demo"):
        call_command("demo")


@pytest.mark.e2e
def test_a_short_demo_ends_with_every_order_where_it_should_be(tmp_path: Path) -> None:
    done = subprocess.run(
        [*DEMO, "--seconds", "14", "--data", str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "Every order is where it should be" in done.stdout
    assert list((tmp_path / "mail").iterdir())
    assert _left_behind(tmp_path) == []


def _left_behind(data: Path) -> list[str]:
    """Processes that still have a log of this demo open. Linux only; elsewhere nothing is found."""
    deadline, found = time.monotonic() + 10, ["?"]
    while found and time.monotonic() < deadline:
        links = [link for link in Path("/proc").glob("[0-9]*/fd/1") if os.access(link, os.R_OK)]
        found = [str(link) for link in links if str(data) in os.path.realpath(link)]
        time.sleep(0.2)
    return found
