"""A product that is deleted in Shopify does not take the identity of what was sold of it."""

from __future__ import annotations

import pytest

from fulfillment.models import OrderLine
from fulfillment.models.states import OrderState, Reason
from ops.models import Alert
from skumap.models import SkuMapping
from skumap.verification.review import mapping_saved
from tests.builders import make_level, make_mapping
from tests.drain import drain
from tests.fulfillment.scene import LATER, MUG, TEE, UNMAPPED, Scene
from tests.world import Json

pytestmark = pytest.mark.django_db


def delete(scene: Scene, variant: int) -> None:
    """The merchant deletes a variant in Shopify."""
    scene.shopify.post(f"/shops/berlin.myshopify.com/variants/{variant}/delete")


def sent(scene: Scene) -> list[dict[str, int]]:
    orders = scene.wms_books()["orders"]
    return [{line["wmsItemCode"]: line["quantity"] for line in order["lines"]} for order in orders]


def unseen(scene: Scene, *lines: tuple[int, int]) -> Json:
    """An order that is read for the first time after its products were deleted."""
    order = scene.place(*lines)
    for variant, _ in lines:
        delete(scene, variant)
    scene.webhook(order)
    drain()
    return order


def test_an_order_of_a_product_that_is_deleted_before_it_is_paid_goes_all_the_same(scene: Scene) -> None:
    order = scene.arrive((MUG, 2), paid=False)
    delete(scene, MUG)
    scene.staff(order, "pay")
    drain()
    assert sent(scene) == [{"MUG": 2}]
    assert not Alert.objects.filter(subject__startswith="order:").exists()


def test_what_was_known_of_a_line_is_kept_by_every_later_reading(scene: Scene) -> None:
    order = scene.arrive((MUG, 1), (TEE, 1))
    delete(scene, MUG)
    scene.staff(order, "touch")
    drain()
    lines = OrderLine.objects.order_by("id").values_list(
        "shopify_variant_id", "sku", "title", "variant_is_gone"
    )
    assert list(lines) == [(MUG, "MUG", "MUG", True), (TEE, "TEE", "TEE", False)]


def test_an_order_read_only_after_the_deletion_goes_by_its_sku(scene: Scene) -> None:
    SkuMapping.objects.update(shopify_sku="MUG")
    SkuMapping.objects.exclude(shopify_variant_id=MUG).update(shopify_sku="OTHER")
    unseen(scene, (MUG, 1))
    assert sent(scene) == [{"MUG": 1}]
    assert not Alert.objects.filter(subject__startswith="order:").exists()


@pytest.mark.parametrize("both", [True, False])
def test_a_sku_of_several_variants_or_of_none_decides_nothing_and_a_person_is_alerted(
    scene: Scene, both: bool
) -> None:
    SkuMapping.objects.update(shopify_sku="MUG" if both else "OTHER")
    order = unseen(scene, (MUG, 1))
    assert (scene.row(order).state, scene.row(order).reason) == (OrderState.HELD, Reason.PRODUCT_DELETED)
    alert = Alert.objects.get(subject=scene.row(order).subject)
    assert (alert.kind, alert.state) == ("product_deleted", "open")
    assert "berlin.myshopify.com" in alert.title
    assert "edit the order" not in alert.action


def test_a_mapping_of_its_sku_lets_it_go_at_once(scene: Scene) -> None:
    order = unseen(scene, (UNMAPPED, 1))
    assert scene.row(order).reason == Reason.PRODUCT_DELETED
    make_level(scene.berlin, "NEW", 10)
    mapping_saved([make_mapping(scene.berlin, 999, "NEW", shopify_sku="NEW-THING")])
    drain()
    assert sent(scene) == [{"NEW": 1}]
    assert Alert.objects.get(kind="product_deleted").state == "closed"


def test_a_product_that_was_made_anew_under_another_id_serves_the_old_orders(scene: Scene) -> None:
    order = scene.arrive((UNMAPPED, 1), paid=False)
    delete(scene, UNMAPPED)
    make_level(scene.berlin, "NEW", 10)
    make_mapping(scene.berlin, 999, "NEW", shopify_sku="NEW-THING")
    scene.staff(order, "pay")
    drain()
    assert sent(scene) == [{"NEW": 1}]


def test_a_product_that_exists_is_never_taken_for_another_of_the_same_sku(scene: Scene) -> None:
    make_mapping(scene.berlin, 999, "MUG", shopify_sku="NEW-THING")
    order = scene.arrive((UNMAPPED, 1))
    assert scene.row(order).reason == Reason.UNMAPPED_SKU
    assert sent(scene) == []


def test_a_mapping_of_the_old_variant_still_lets_it_go(scene: Scene) -> None:
    order = scene.arrive((UNMAPPED, 1), paid=False)
    delete(scene, UNMAPPED)
    scene.staff(order, "pay")
    drain()
    assert scene.row(order).reason == Reason.PRODUCT_DELETED
    make_level(scene.berlin, "NEW", 10)
    mapping_saved([make_mapping(scene.berlin, UNMAPPED, "NEW")])
    drain()
    scene.ship(order)
    drain(advance=LATER)
    assert scene.row(order).state == OrderState.SHIPPED
