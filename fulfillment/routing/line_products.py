"""Which product an order line is: by the variant that Shopify named, else by its SKU where that is one product only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from fulfillment.models import Order, OrderLine
from ops.alerting.alerts import close_alert, raise_alert
from skumap.resolve import Resolution, resolve, variants_of_skus

CUSTOM_LINE, PRODUCT_DELETED = "custom_line", "product_deleted"


@dataclass(frozen=True)
class Identified:
    """Variants by order line (our row id), and what they are at the warehouses."""

    variants: Mapping[int, int]
    resolution: Resolution


def identify(shop_id: int, lines: Sequence[OrderLine], *, warehouses: Iterable[int]) -> Identified:
    """Look up what the lines are: one query, and two more only where a line's product is gone from Shopify.

    A deleted product takes its variant off the order lines. The variant that was known is believed as long as it is
    mapped; else, or where none was known, the SKU decides if exactly one mapped variant has it.
    """
    places = list(warehouses)
    named = {line.id: line.shopify_variant_id for line in lines if line.shopify_variant_id is not None}
    found = resolve(shop_id, variants=named.values(), warehouses=places)
    missing = found.unmapped(named.values())
    lost = [
        line for line in lines if line.id not in named or (line.variant_is_gone and named[line.id] in missing)
    ]
    by_sku = variants_of_skus(shop_id, {line.sku for line in lost})
    meant = {line.id: by_sku[line.sku] for line in lost if line.sku in by_sku}
    if meant:
        named |= meant
        found = resolve(shop_id, variants=named.values(), warehouses=places)
    return Identified(named, found)


def has_lost_its_product(line: OrderLine) -> bool:
    """Whether Shopify has no product for the line any more; a line without a SKU is a custom one as far as we know."""
    return line.variant_is_gone or (line.shopify_variant_id is None and bool(line.sku))


def report(order: Order, lines: Collection[OrderLine]) -> None:
    """Tell a person about lines without a product that nothing is mapped for; the alerts of others are closed."""
    gone = [line.sku or line.title for line in lines if has_lost_its_product(line)]
    if gone:
        raise_alert(
            PRODUCT_DELETED,
            subject=order.subject,
            shop=order.shop.domain,
            title=f"A product of order {order.name} was deleted in Shopify",
            meaning=f"{', '.join(gone)}: Shopify has no product for it any more, and its SKU is mapped for none or for "
            "several. The whole order waits.",
            action="Is the item still in a warehouse, map its SKU to it (SKU mappings, Add; the variant's id may be "
            "the old one, or that of the product that took its place): the order goes on by itself. Else refund the "
            "line in Shopify.",
        )
    else:
        close_alert(PRODUCT_DELETED, subject=order.subject)
    if any(line.shopify_variant_id is None and not has_lost_its_product(line) for line in lines):
        raise_alert(
            CUSTOM_LINE,
            subject=order.subject,
            shop=order.shop.domain,
            title=f"Order {order.name} has a line without a product",
            meaning="A custom line is no item that a warehouse knows; the whole order waits.",
            action="Replace the line by a product in Shopify (edit the order), or remove it and send it by hand.",
        )
    else:
        close_alert(CUSTOM_LINE, subject=order.subject)
