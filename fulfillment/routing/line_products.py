"""Finds the product of an order line: by the variant that Shopify named, or by its SKU if only one product has it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from fulfillment import alerts
from fulfillment.models import Order, OrderLine
from shops.ids import VariantId
from skumap.mappings.resolve import Component, Resolution, resolve, variants_of_skus


@dataclass(frozen=True)
class Identified:
    """Variants by order line (our row id), and the items that they are at the warehouses."""

    variants: Mapping[int, VariantId]
    resolution: Resolution

    def components(self, line: int, warehouse_pk: int) -> tuple[Component, ...]:
        """The items of a line at a warehouse; none if the line has no variant or no mapping there."""
        variant = self.variants.get(line)
        return () if variant is None else self.resolution.components(variant, warehouse_pk)

    def is_unmapped(self, line: int) -> bool:
        """Whether a line is mapped at no warehouse. A line without a variant never is mapped."""
        variant = self.variants.get(line)
        return variant is None or bool(self.resolution.unmapped([variant]))


def identify(shop_id: int, lines: Sequence[OrderLine], *, warehouses: Iterable[int]) -> Identified:
    """Look up the products of lines: one query, and two more if the product of a line was deleted in Shopify.

    When a product is deleted, Shopify removes the variant from the order lines. The variant that we knew counts as long
    as it is mapped. If it is not, or if we knew none, the SKU decides, if exactly one mapped variant has it.
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
    """Whether Shopify has no product for the line any more. A line without variant and SKU counts as a custom line."""
    return line.variant_is_gone or (line.shopify_variant_id is None and bool(line.sku))


def report_missing_products(order: Order, lines: Collection[OrderLine]) -> None:
    """Alert a person about lines without a product that have no mapping, and close the alerts that no longer apply."""
    gone = [line.label for line in lines if has_lost_its_product(line)]
    if gone:
        alerts.routing.product_deleted(order, items=gone)
    else:
        alerts.routing.PRODUCT_DELETED.close(order.subject)
    if any(line.shopify_variant_id is None and not has_lost_its_product(line) for line in lines):
        alerts.routing.custom_line(order)
    else:
        alerts.routing.CUSTOM_LINE.close(order.subject)
