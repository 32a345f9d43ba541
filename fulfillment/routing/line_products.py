"""Which product an order line is: by the variant that Shopify named, else by its SKU where that is one product only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from fulfillment import alerts
from fulfillment.models import Order, OrderLine
from shops.ids import VariantId
from skumap.mappings.resolve import Resolution, resolve, variants_of_skus


@dataclass(frozen=True)
class Identified:
    """Variants by order line (our row id), and what they are at the warehouses."""

    variants: Mapping[int, VariantId]
    resolution: Resolution


def identify(shop_id: int, lines: Sequence[OrderLine], *, warehouses: Iterable[int]) -> Identified:
    """Look up what the lines are: one query, and two more only where a line's product is gone from Shopify.

    A deleted product takes its variant off the order lines. The variant that was known is believed as long as it is
    mapped; else, or where none was known, the SKU decides if exactly one mapped variant has it.
    """
    warehouse_pks = list(warehouses)
    named = {line.id: line.shopify_variant_id for line in lines if line.shopify_variant_id is not None}
    found = resolve(shop_id, variants=named.values(), warehouses=warehouse_pks)
    missing = found.unmapped(named.values())
    lost = [
        line for line in lines if line.id not in named or (line.variant_is_gone and named[line.id] in missing)
    ]
    by_sku = variants_of_skus(shop_id, {line.sku for line in lost})
    meant = {line.id: by_sku[line.sku] for line in lost if line.sku in by_sku}
    if meant:
        named |= meant
        found = resolve(shop_id, variants=named.values(), warehouses=warehouse_pks)
    return Identified(named, found)


def has_lost_its_product(line: OrderLine) -> bool:
    """Whether Shopify has no product for the line any more; a line without a SKU is a custom one as far as we know."""
    return line.variant_is_gone or (line.shopify_variant_id is None and bool(line.sku))


def report_missing_products(order: Order, lines: Collection[OrderLine]) -> None:
    """Tell a person about lines without a product that nothing is mapped for; the alerts of others are closed."""
    gone = [line.label for line in lines if has_lost_its_product(line)]
    if gone:
        alerts.routing.product_deleted(order, items=gone)
    else:
        alerts.routing.PRODUCT_DELETED.close(order.subject)
    if any(line.shopify_variant_id is None and not has_lost_its_product(line) for line in lines):
        alerts.routing.custom_line(order)
    else:
        alerts.routing.CUSTOM_LINE.close(order.subject)
