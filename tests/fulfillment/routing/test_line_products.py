"""Which product a line is, and what a person is told of lines that have none."""

from __future__ import annotations

from typing import Any

import pytest

from fulfillment.models import Order, OrderLine
from fulfillment.routing import line_products
from ops.models import Alert
from shops.ids import VariantId
from tests.builders import make_mapping
from tests.fulfillment.order_rows import ordered, place
from wms.models import Warehouse

pytestmark = pytest.mark.django_db


@pytest.fixture
def berlin() -> Warehouse:
    """A warehouse that knows variant 11 (SKU-MUG)."""
    return place()


def line(**changes: Any) -> OrderLine:
    """A line of a product that is mapped nowhere."""
    return OrderLine(
        **{"id": 5, "shopify_variant_id": VariantId(99), "sku": "SKU-MUG", "title": "A mug", **changes}
    )


def identified(berlin: Warehouse, *lines: OrderLine) -> dict[int, VariantId]:
    return dict(line_products.identify(berlin.shop_id, lines, warehouses=[berlin.pk]).variants)


@pytest.mark.parametrize(
    ("changes", "variant"),
    [
        ({}, 99),  # it exists: it is never taken for another
        ({"variant_is_gone": True}, 11),
        ({"variant_is_gone": True, "sku": "SKU-NEW"}, 99),
        ({"variant_is_gone": True, "sku": ""}, 99),
        ({"shopify_variant_id": None}, 11),
        ({"shopify_variant_id": None, "sku": "SKU-NEW"}, None),
        ({"shopify_variant_id": None, "sku": ""}, None),
    ],
)
def test_the_sku_decides_only_where_the_product_is_gone(
    berlin: Warehouse, changes: Any, variant: int | None
) -> None:
    assert identified(berlin, line(**changes)).get(5) == variant


def test_a_variant_that_is_gone_and_still_mapped_is_believed(berlin: Warehouse) -> None:
    make_mapping(berlin, 99, "CUP", shopify_sku="SKU-CUP")
    assert identified(berlin, line(variant_is_gone=True)) == {5: 99}


def test_a_sku_of_two_variants_decides_nothing(berlin: Warehouse) -> None:
    make_mapping(berlin, 12, "CUP", shopify_sku="SKU-MUG")
    assert identified(berlin, line(shopify_variant_id=None)) == {}


def test_the_items_of_what_the_sku_means_are_looked_up_too(berlin: Warehouse) -> None:
    known = line_products.identify(
        berlin.shop_id, [line(shopify_variant_id=None)], warehouses=iter([berlin.pk])
    )
    components = known.resolution.components(known.variants[5], berlin.pk)
    assert [component.wms_item_code for component in components] == ["MUG"]


def test_no_further_query_is_made_for_lines_that_have_their_product(
    berlin: Warehouse, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        identified(berlin, line(), line(id=6, shopify_variant_id=VariantId(11)))


@pytest.mark.parametrize(
    ("changes", "lost"),
    [
        ({}, False),
        ({"variant_is_gone": True}, True),
        ({"shopify_variant_id": None}, True),
        ({"shopify_variant_id": None, "sku": ""}, False),  # a custom line
        ({"variant_is_gone": True, "sku": ""}, True),
    ],
)
def test_a_line_has_lost_its_product_if_shopify_has_none_for_it(changes: Any, lost: bool) -> None:
    assert line_products.has_lost_its_product(line(**changes)) is lost


GONE, GONE_NAMELESS = {"variant_is_gone": True}, {"variant_is_gone": True, "sku": "", "title": "An old mug"}
CUSTOM = {"shopify_variant_id": None, "sku": ""}


def open_alerts(order: Order) -> set[str]:
    return set(Alert.objects.filter(subject=order.subject, state="open").values_list("kind", flat=True))


@pytest.mark.parametrize(
    ("lines", "kinds"),
    [
        ([{}], set()),
        ([{}, GONE], {"product_deleted"}),
        ([CUSTOM, {}], {"custom_line"}),
        ([GONE, CUSTOM], {"product_deleted", "custom_line"}),
    ],
)
def test_a_person_is_alerted_of_each_kind_of_line_without_a_product_and_only_while_it_lasts(
    berlin: Warehouse, lines: list[dict[str, Any]], kinds: set[str]
) -> None:
    order = ordered(berlin.shop)
    line_products.report_missing_products(order, [line(**GONE), line(**CUSTOM)])
    assert open_alerts(order) == {"product_deleted", "custom_line"}
    line_products.report_missing_products(order, [line(**changes) for changes in lines])
    assert open_alerts(order) == kinds


def test_the_alert_names_the_lines_that_are_gone_by_sku_or_title_and_no_others(berlin: Warehouse) -> None:
    order = ordered(berlin.shop)
    line_products.report_missing_products(order, [line(sku="SKU-NEW"), line(**GONE), line(**GONE_NAMELESS)])
    assert "no longer has a product for SKU-MUG, An old mug." in Alert.objects.get().meaning
