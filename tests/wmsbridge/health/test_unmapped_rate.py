"""Unmapped SKU rate: the share of order lines whose look-up fails, anything at all, until they are cured."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from skumap.verification.review import mapping_saved
from tests.builders import make_level, make_mapping
from tests.drain import drain
from tests.fulfillment.scene import GIFT_CARD, LATER, MUG, STORE, TEE, UNMAPPED, Scene
from tests.wmsbridge.health.watch import Watch, pass_time

pytestmark = pytest.mark.django_db


@pytest.fixture
def watch(admin_client: Client) -> Watch:
    return Watch("unmapped_sku_rate", admin_client)


def parts(watch: Watch) -> Any:
    return watch.measured().reading.parts


def test_one_line_that_is_mapped_nowhere_is_told_and_mapping_it_is_the_cure(
    scene: Scene, watch: Watch
) -> None:
    scene.arrive((MUG, 1), (TEE, 2))
    assert watch.is_well()
    scene.arrive((MUG, 1), (UNMAPPED, 3))
    assert watch.measured().reading.value == 25
    alert = watch.alerted()
    assert "1 of 4 lines" in alert.title
    assert alert.shop == "berlin.myshopify.com"
    assert "NEW-THING (berlin.myshopify.com, 1×)" in alert.meaning
    assert "1 order waits" in alert.meaning
    assert "import_skus" in alert.action
    make_level(scene.berlin, "NEW")
    mapping = make_mapping(scene.berlin, UNMAPPED, "NEW")
    assert watch.is_well()
    mapping_saved([mapping])
    drain()
    assert parts(watch) == {"lines": 0, "received": 4, "orders": 0}


def test_a_mapping_that_is_switched_off_is_none(scene: Scene, watch: Watch) -> None:
    make_mapping(scene.berlin, UNMAPPED, "NEW", is_active=False)
    scene.arrive((UNMAPPED, 1))
    assert watch.measured().reading.value == 100


def test_a_line_that_went_to_a_warehouse_was_mapped(scene: Scene, watch: Watch) -> None:
    scene.arrive((MUG, 1))
    scene.berlin.refresh_from_db()
    make_mapping(scene.berlin, 999, "OTHER")
    assert parts(watch)["lines"] == 0


@pytest.mark.parametrize("lines", [[(GIFT_CARD, 1)], [(MUG, 1), (GIFT_CARD, 1)]])
def test_gift_cards_need_no_mapping(scene: Scene, watch: Watch, lines: list[tuple[int, int]]) -> None:
    scene.arrive(*lines)
    assert parts(watch) == {"lines": 0, "received": len(lines) - 1, "orders": 0}


def test_what_somebody_else_sends_needs_no_mapping(scene: Scene, watch: Watch) -> None:
    scene.arrive((UNMAPPED, 1), at=STORE)
    assert parts(watch) == {"lines": 0, "received": 0, "orders": 0}


def test_an_order_that_waits_at_shopify_is_not_looked_up(scene: Scene, watch: Watch) -> None:
    order = scene.arrive((UNMAPPED, 1), paid=False)
    assert parts(watch) == {"lines": 0, "received": 0, "orders": 0}
    scene.staff(order, "pay")
    drain()
    assert parts(watch) == {"lines": 1, "received": 1, "orders": 1}


@pytest.mark.parametrize("cure", ["cancel", "fulfill"])
def test_what_is_cancelled_or_sent_by_hand_needs_no_mapping_any_more(
    scene: Scene, watch: Watch, cure: str
) -> None:
    order = scene.arrive((UNMAPPED, 1))
    watch.alerted()
    scene.staff(order, cure)
    drain(advance=LATER)
    assert watch.is_well()


def test_a_custom_line_is_found_nowhere(scene: Scene, watch: Watch) -> None:
    order = scene.arrive((UNMAPPED, 1))
    scene.row(order).lines.update(shopify_variant_id=None, sku="", title="Engraving")
    assert "Engraving" in watch.measured().reading.detail


def test_a_deleted_product_goes_by_a_sku_that_one_variant_has(scene: Scene, watch: Watch) -> None:
    order = scene.arrive((UNMAPPED, 1))
    scene.row(order).lines.update(variant_is_gone=True)
    make_mapping(scene.berlin, 998, "NEW", shopify_sku="NEW-THING")
    assert parts(watch)["lines"] == 0
    make_mapping(scene.lyon, 999, "OTHER", shopify_sku="NEW-THING")
    assert parts(watch)["lines"] == 1


def test_lines_of_more_than_a_day_ago_do_not_count(scene: Scene, watch: Watch) -> None:
    scene.arrive((UNMAPPED, 1))
    watch.alerted()
    pass_time(hours=25)
    assert watch.is_well()


def test_the_skus_with_the_most_lines_are_named_first(scene: Scene, watch: Watch) -> None:
    for number in range(7):
        order = scene.arrive((UNMAPPED, 1))
        scene.row(order).lines.update(sku=f"S-{max(number, 1)}")
    reading = watch.measured().reading
    assert reading.detail.startswith("7 of 7 lines: S-1 (berlin.myshopify.com, 2×), S-2")
    assert reading.detail.endswith("and 1 more")
