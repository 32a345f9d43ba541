"""Stock all the way, over HTTP: the simulated WMS tells, the simulated Shopify is told."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests

from inventory import commitments, reservations
from inventory import jobs as inventory_jobs
from inventory.models import PushBatch, StockLevel
from inventory.reservations import Need
from inventory.stock import reconcile
from ops.models import Job
from tests.builders import make_connection, make_mapping, make_shop, make_warehouse
from tests.drain import drain
from wms.models import Warehouse

pytestmark = pytest.mark.django_db(transaction=True)
DOMAIN = "berlin.myshopify.com"


class Outside:
    """The sandbox's control API."""

    def __init__(self, addresses: dict[str, str]) -> None:
        self.shopify, self.wms = addresses["shopify"], addresses["wms"]

    def tell(self, root: str, path: str, **body: Any) -> Any:
        answer = requests.post(f"{root}/_sandbox/{path}", json=body, timeout=5)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def books(self) -> dict[str, Any]:
        books = requests.get(f"{self.shopify}/_sandbox/books", timeout=5).json()["shops"][DOMAIN]
        assert (books["invalid"], books["throttled"]) == (0, 0)
        return dict(books)

    def stock(self) -> dict[int, tuple[int, bool]]:
        rows = self.books()["inventory"]
        return {row["inventory_item_id"]: (row["available"], row["active"]) for row in rows}


@pytest.fixture
def outside(settings: Any) -> Iterator[Outside]:
    command = [sys.executable, "-m", "sandbox", "--shopify-port", "0", "--wms-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        outside = Outside(json.loads(process.stdout.readline()))
        settings.SHOPIFY_ADMIN_URL = f"{outside.shopify}/{{domain}}"
        variants = [
            {"id": 11, "sku": "MUG", "inventory_item_id": 311, "stock": {"101": 0}},
            {"id": 12, "sku": "SIX", "inventory_item_id": 312, "stock": {}},
        ]
        locations = [{"id": 101, "name": "Berlin", "country": "DE"}]
        outside.tell(
            outside.shopify,
            "shops",
            domain=DOMAIN,
            access_token="shpat_test",
            locations=locations,
            variants=variants,
        )
        yield outside
        process.terminate()


@pytest.fixture
def berlin(outside: Outside, live_server: Any) -> Warehouse:
    outside.tell(
        outside.wms,
        "connections",
        slug="north",
        token="wms-token",
        callback_secret="wms-secret",
        callback_url=f"{live_server.url}/webhooks/wms/north/",
        warehouses=[{"code": "BER1", "stock": {"MUG": 50}}],
    )
    connection = make_connection(base_url=f"{outside.wms}/north")
    berlin = make_warehouse(make_shop(DOMAIN), connection, shopify_location_id=101)
    make_mapping(berlin, 11, "MUG", shopify_inventory_item_id=311)
    make_mapping(berlin, 12, "MUG", shopify_inventory_item_id=312, quantity=6)
    return berlin


def callback_arrived(count: int) -> None:
    deadline = time.monotonic() + 10
    while Job.objects.filter(kind="wms.inventory").count() < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_stock_goes_from_the_wms_to_shopify_by_callback_and_by_reconciliation(
    outside: Outside, berlin: Warehouse
) -> None:
    inventory_jobs.reconcile(berlin.connection)
    drain()
    drain(advance=timedelta(seconds=2))
    assert outside.stock() == {311: (50, True), 312: (8, True)}

    outside.tell(outside.wms, "connections/north/stock", warehouse="BER1", item="MUG", on_hand=20)
    callback_arrived(1)
    drain(advance=timedelta(seconds=2))
    drain(advance=timedelta(seconds=2))
    assert outside.stock() == {311: (20, True), 312: (3, True)}
    assert not PushBatch.objects.filter(state="sending").exists()


def test_an_order_that_only_shopify_knows_of_is_not_sold_twice(outside: Outside, berlin: Warehouse) -> None:
    reconcile.reconcile(berlin.connection)
    drain(advance=timedelta(seconds=2))
    lines = [{"variant_id": 11, "quantity": 5, "location_id": 101}]
    outside.tell(outside.shopify, f"shops/{DOMAIN}/orders", lines=lines)
    time.sleep(0.5)
    reservations.reserve("order-1", [Need(berlin.pk, "MUG", 5)])
    commitments.note({"order-1": {(berlin.pk, "MUG"): 5}})
    drain(advance=timedelta(seconds=2))
    assert outside.stock() == {311: (45, True), 312: (7, True)}


def test_a_lost_answer_is_asked_for_again_with_the_same_key(outside: Outside, berlin: Warehouse) -> None:
    outside.tell(outside.shopify, "faults", match="inventorySetQuantities", fault="reset_after")
    reconcile.reconcile(berlin.connection)
    drain(advance=timedelta(seconds=2))
    assert PushBatch.objects.filter(state="sending").count() == 1
    drain(advance=timedelta(minutes=5))
    drain(advance=timedelta(seconds=2))
    sets = [each for each in outside.books()["mutations"] if each["field"] == "inventorySetQuantities"]
    assert len({each["idempotency_key"] for each in sets if each["replayed"]}) == 1
    assert outside.stock() == {311: (50, True), 312: (8, True)}
    assert not StockLevel.objects.filter(push_due_since__isnull=False).exists()
