"""Two shops may have a warehouse of one name: nothing of the one is taken for the other's."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from fulfillment.console import routing_text
from fulfillment.routing import preparation
from inventory import reservations
from ops.errors import Blocked
from ops.models import Alert, Job
from skumap.models import SkuMapping
from tests.builders import make_connection, make_level, make_mapping, make_shop, make_warehouse
from tests.fulfillment.order_rows import ordered
from wms.models import Warehouse

pytestmark = pytest.mark.django_db

LABELS = ["berlin.myshopify.com: Berlin (north/BER1)", "paris.myshopify.com: Berlin (north/BER2)"]


@pytest.fixture
def berlins() -> list[Warehouse]:
    """Of two shops, at one WMS, with one name."""
    north = make_connection()
    return [
        make_warehouse(make_shop("berlin.myshopify.com"), north, "Berlin", wms_warehouse_code="BER1"),
        make_warehouse(make_shop("paris.myshopify.com"), north, "Berlin", wms_warehouse_code="BER2"),
    ]


@pytest.mark.parametrize(
    "page",
    [
        "skumap/skumapping/add/",
        "skumap/skumapping/upload/",
        "skumap/skumapping/",
        "inventory/stocklevel/",
        "inventory/reservation/",
        "fulfillment/wmsorder/",
    ],
)
def test_every_select_and_filter_tells_them_apart(
    admin_client: Client, berlins: list[Warehouse], page: str
) -> None:
    for warehouse in berlins:
        reservations.reserve("wms:order:b:1:1", [])
        make_mapping(warehouse)
        make_level(warehouse)
    text = admin_client.get(f"/admin/{page}").content.decode()
    assert all(label in text for label in LABELS)


def test_the_page_of_a_level_and_of_a_warehouse_name_it_in_full(
    admin_client: Client, berlins: list[Warehouse]
) -> None:
    level = make_level(berlins[1])
    assert str(level) == f"MUG at {LABELS[1]}"
    assert LABELS[1] in admin_client.get(f"/admin/inventory/stocklevel/{level.pk}/change/").content.decode()
    page = admin_client.get(f"/admin/wms/warehouse/{berlins[1].pk}/change/").content.decode()
    assert LABELS[1] in page


@pytest.mark.parametrize("page", ["skumap/skumapping/", "inventory/stocklevel/", "skumap/skumapping/add/"])
def test_pages_take_no_more_statements_for_more_warehouses(
    admin_client: Client, berlins: list[Warehouse], django_assert_num_queries: Any, page: str
) -> None:
    def fill(warehouse: Warehouse) -> None:
        make_mapping(warehouse)
        make_level(warehouse)

    for warehouse in berlins:
        fill(warehouse)
    admin_client.get(f"/admin/{page}")
    with django_assert_num_queries(50, exact=False) as few:
        admin_client.get(f"/admin/{page}")
    for number in range(10):
        fill(
            make_warehouse(berlins[0].shop, berlins[0].connection, "Berlin", wms_warehouse_code=f"X{number}")
        )
    with django_assert_num_queries(len(few)):
        admin_client.get(f"/admin/{page}")


def test_the_database_refuses_a_mapping_of_another_shops_warehouse(berlins: list[Warehouse]) -> None:
    mapping = make_mapping(berlins[0])
    with pytest.raises(IntegrityError, match="mapping_is_of_its_warehouses_shop"), transaction.atomic():
        SkuMapping.objects.filter(pk=mapping.pk).update(warehouse=berlins[1])
    with pytest.raises(IntegrityError, match="mapping_is_of_its_warehouses_shop"), transaction.atomic():
        Warehouse.objects.filter(pk=berlins[0].pk).update(shop=berlins[1].shop)
    mapping.warehouse = berlins[1]
    with pytest.raises(ValidationError, match="is no warehouse of"):
        mapping.full_clean()


def test_a_warehouse_keeps_its_shop_and_its_connection(
    admin_client: Client, berlins: list[Warehouse]
) -> None:
    berlin = berlins[0]
    make_mapping(berlin)
    form = {
        "shop": berlins[1].shop_id,
        "connection": make_connection("south").pk,
        "name": "Berlin Mitte",
        "wms_warehouse_code": "BER1",
        "shopify_location_id": berlin.shopify_location_id,
        "priority": 1,
        "is_active": "on",
    }
    assert admin_client.post(f"/admin/wms/warehouse/{berlin.pk}/change/", form).status_code == 302
    old = (berlin.shop_id, berlin.connection_id)
    berlin.refresh_from_db()
    assert (berlin.name, berlin.shop_id, berlin.connection_id) == ("Berlin Mitte", *old)


def saved(client: Client, warehouse: Warehouse, item: str, **changes: Any) -> str:
    form = {
        "warehouse": warehouse.pk,
        "shopify_variant_id": 77,
        "shopify_sku": "SCARF",
        "shopify_inventory_item_id": 1077,
        "wms_item_code": item,
        "quantity": 1,
        "is_active": "on",
        **changes,
    }
    return str(client.post("/admin/skumap/skumapping/add/", form, follow=True).content.decode())


def test_a_saved_mapping_has_its_variant_looked_up_at_the_shop(
    admin_client: Client, berlins: list[Warehouse]
) -> None:
    saved(admin_client, berlins[1], "SCARF")
    asked = Job.objects.filter(lane="shop:paris.myshopify.com", kind__startswith="skumap.")
    assert [job.payload.get("variants") for job in asked] == [[77]]


def test_an_item_that_the_wms_never_reported_is_said_when_the_mapping_is_saved(
    admin_client: Client, berlins: list[Warehouse]
) -> None:
    make_level(berlins[0], "B-SCARF")
    warning = "Berlin (north/BER1) has never reported an item B-SCRAF-01"
    assert warning in saved(admin_client, berlins[0], "B-SCRAF-01")
    assert "never reported" not in saved(admin_client, berlins[0], "B-SCARF", shopify_variant_id=78)


def test_of_a_warehouse_that_reported_nothing_yet_no_item_is_strange(
    admin_client: Client, berlins: list[Warehouse]
) -> None:
    make_level(berlins[0], "B-SCARF")
    assert "never reported" not in saved(admin_client, berlins[1], "B-SCRAF-01")


def held(item: str, *, known: str, free: int) -> Any:
    warehouse = make_warehouse(make_shop(), make_connection())
    make_level(warehouse, known, free)
    make_mapping(warehouse, 11, item)
    order = ordered(warehouse.shop, ready_at=timezone.now())
    with pytest.raises(Blocked) as blocked:
        preparation.prepare(order.id)
    order.refresh_from_db()
    return order, blocked.value


def test_a_misspelt_item_is_its_own_reason_and_not_out_of_stock() -> None:
    order, blocked = held("MGU", known="MUG", free=10)
    assert order.reason_detail == "Berlin (north/BER1) has no item MGU"
    assert "Berlin (north/BER1) has no item MGU" in Alert.objects.get(kind="no_warehouse").meaning
    assert [each["outcome"] for each in order.routing] == ["no_item"]
    assert "has no item MGU" in routing_text.explain(order.routing)[0].words
    assert any(key.endswith(":MGU") for key in blocked.on)


def test_a_known_item_that_is_short_is_out_of_stock() -> None:
    order, _ = held("MUG", known="MUG", free=1)
    assert order.reason_detail == "Berlin (north/BER1): stock MUG: 1 of 2"
