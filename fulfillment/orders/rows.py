"""Writes a reading of an order into the rows of the order, its lines and its fulfilment orders."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from django.utils import timezone

from fulfillment.models import FulfillmentOrder, FulfillmentOrderLine, Order, OrderLine
from fulfillment.models.states import OrderState, Reason
from fulfillment.readiness import Verdict
from fulfillment.shopify.our_locations import OurLocations
from fulfillment.shopify.snapshots import LineNode, OrderNode
from shops.ids import ShopifyLineId


def write(order: Order, node: OrderNode, verdict: Verdict, *, locations: OurLocations) -> bool:
    """Store a reading; returns whether the order's stored address changed. The caller has locked the order."""
    address_changed = _write_header(order, node, verdict)
    line_ids = _write_lines(order, node)
    _write_fulfillment_orders(order, node, line_ids, locations=locations)
    return address_changed


def address_of(node: OrderNode) -> str:
    """The shipping address as JSON in our field names; "" if there is none."""
    found = node.shipping_address
    if found is None:
        return ""
    parts = found.model_dump()
    parts["country"], parts["province"] = parts.pop("country_code"), parts.pop("province_code")
    parts["phone"] = parts["phone"] or node.phone
    return json.dumps({**parts, "email": node.email}, sort_keys=True)


def _write_header(order: Order, node: OrderNode, verdict: Verdict) -> bool:
    """Store what concerns the order as a whole; returns whether its stored address changed."""
    # An erased address stays erased here; `erasure.restore_if_needed` brings it back.
    address = address_of(node) if order.erased_at is None else ""
    changed = bool(order.ship_to) and order.ship_to != address
    order.name = node.name[:100]
    order.financial_status = node.display_financial_status[:40]
    order.is_test = node.test
    order.cancelled_at = node.cancelled_at
    order.placed_at = node.processed_at
    order.shopify_updated_at = node.known_until(node.updated_at)
    order.country = node.shipping_address.country_code[:2] if node.shipping_address else ""
    order.ship_to = address
    order.shipping_method = node.shipping_line.title[:255] if node.shipping_line else ""
    order.read_at = node.asked_at or timezone.now()
    if verdict.state != OrderState.READY:
        order.lag_started_at = None
    deferred = verdict.deferred
    order.deferred_reason, order.deferred_detail, order.deferred_until = (
        (deferred.reason, deferred.detail, deferred.until) if deferred else (Reason.NONE, "", None)
    )
    order.save()
    return changed


def _line_row(order: Order, line: LineNode, known: OrderLine | None) -> OrderLine:
    """A line as it is stored. What we know of it stays, even if Shopify no longer says it.

    When a product is deleted, Shopify removes the variant's id from every line that was sold of it.
    """
    return OrderLine(
        order=order,
        shopify_line_id=line.id,
        shopify_variant_id=line.variant.id if line.variant else known.shopify_variant_id if known else None,
        variant_is_gone=line.variant is None and known is not None and known.shopify_variant_id is not None,
        sku=line.sku[:255] or (known.sku if known else ""),
        title=line.title[:500] or (known.title if known else ""),
        quantity=line.current_quantity,
        requires_shipping=line.requires_shipping,
        is_gift_card=line.is_gift_card,
    )


def _write_lines(order: Order, node: OrderNode) -> dict[ShopifyLineId, int]:
    """Store the lines; those that the reading lacks keep no units. Returns our row ids by Shopify's line ids."""
    known = {line.shopify_line_id: line for line in order.lines.all()}
    rows = [_line_row(order, line, known.get(line.id)) for line in node.line_items.nodes]
    OrderLine.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["order", "shopify_line_id"],
        update_fields=[
            "shopify_variant_id",
            "variant_is_gone",
            "sku",
            "title",
            "quantity",
            "requires_shipping",
            "is_gift_card",
        ],
    )
    order.lines.exclude(shopify_line_id__in=[row.shopify_line_id for row in rows]).update(quantity=0)
    gone = {number: line.pk for number, line in known.items()}
    return {**gone, **{row.shopify_line_id: row.pk for row in rows}}


def _write_fulfillment_orders(
    order: Order, node: OrderNode, line_ids: Mapping[ShopifyLineId, int], *, locations: OurLocations
) -> None:
    """Replace all fulfilment orders of the order: their ids change with moves, splits and edits."""
    FulfillmentOrderLine.objects.filter(fulfillment_order__order=order).delete()
    FulfillmentOrder.objects.filter(order=order).delete()
    stored = FulfillmentOrder.objects.bulk_create(
        FulfillmentOrder(
            order=order,
            shopify_fulfillment_order_id=each.id,
            status=each.status[:40],
            request_status=each.request_status[:40],
            location_id=each.location_id,
            is_ours=locations.include(each),
            at_foreign_service=each.at_service and each.location_id not in locations.ids,
            delivery_method=each.method[:40],
            fulfill_at=each.fulfill_at,
            hold_reason=", ".join(hold.reason for hold in each.fulfillment_holds)[:255],
            shopify_updated_at=node.known_until(each.updated_at),
        )
        for each in node.fulfillment_orders.nodes
    )
    _write_fulfillment_order_lines(stored, node, line_ids)


def _write_fulfillment_order_lines(
    stored: Iterable[FulfillmentOrder], node: OrderNode, line_ids: Mapping[ShopifyLineId, int]
) -> None:
    FulfillmentOrderLine.objects.bulk_create(
        FulfillmentOrderLine(
            fulfillment_order=row,
            shopify_line_id=line.id,
            order_line_id=line_ids[line.line_item.id],
            total_quantity=line.total_quantity,
            remaining_quantity=line.remaining_quantity,
        )
        for row, each in zip(stored, node.fulfillment_orders.nodes, strict=True)
        for line in each.line_items.nodes
        if line.line_item.id in line_ids
    )
