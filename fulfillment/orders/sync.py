"""Reads orders at Shopify and stores the readings. A webhook says only that an order changed (law 4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import structlog
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, Sum
from django.utils import timezone

from fulfillment import alerts, commitments, readiness
from fulfillment.models import Fulfillment, FulfillmentOrderLine, Order
from fulfillment.models.states import FulfillmentState, OrderState, Reason
from fulfillment.orders import order_changes, rows
from fulfillment.privacy import erasure
from fulfillment.refs import order_subject
from fulfillment.shipments import cancelled_fulfillments, held_shipments
from fulfillment.shopify import our_locations, queries
from fulfillment.shopify.snapshots import OrderNode
from inventory.stock import levels
from ops.models import Priority
from ops.queue.jobs import first_seen, first_seen_after
from shops.ids import LocationId, ShopifyOrderId, ShopPk, VariantId
from shops.jobs import WEBHOOKS
from shops.models import Shop

logger = structlog.get_logger(__name__)

VariantAtLocation = tuple[LocationId | None, VariantId | None]
"""A Shopify location and a Shopify variant, whose stock there is one figure."""


class UnitsAtShopify(NamedTuple):
    """Units of one variant that Shopify assigned to one location for an order.

    `remaining`: those that are still to be fulfilled. `kept`: those that the customer keeps; a refund may have put the
    others back into stock.
    """

    total: int
    remaining: int
    kept: int


UnitsByVariant = dict[VariantAtLocation, UnitsAtShopify]


def read(
    shop_pk: ShopPk, shopify_order_ids: Sequence[ShopifyOrderId], *, priority: Priority = Priority.HIGH
) -> None:
    """Read orders at Shopify with one request, and store each in a transaction of its own.

    Raises what `shops.api.client.execute` raises.
    """
    confirmed = Fulfillment.objects.filter(
        state=FulfillmentState.CONFIRMED,
        shipment__wms_order__order__shop=OuterRef("pk"),
        shipment__wms_order__order__shopify_order_id__in=shopify_order_ids,
    )
    shop = Shop.objects.annotate(has_fulfillments=Exists(confirmed)).get(id=shop_pk)
    found = queries.orders(shop, shopify_order_ids, priority=priority)
    if shop.has_fulfillments:
        cancelled_fulfillments.verify(shop, found.values())
    for order_id in shopify_order_ids:
        if order_id in found:
            _mark_stock_due(shop, store(shop, found[order_id]))
        else:
            alerts.orders.order_unreadable(
                shop, subject=order_subject(shop.id, order_id), shopify_order_id=order_id
            )
            _mark_stock_due(shop, _forget_commitments(shop, order_id))


@transaction.atomic
def _forget_commitments(shop: Shop, shopify_order_id: ShopifyOrderId) -> frozenset[VariantAtLocation]:
    """Shopify does not show an order any more, so it has nothing of it committed.

    Returns the variants and locations of its open units, whose stock is to be compared again.
    """
    order = Order.objects.select_for_update().filter(shop=shop, shopify_order_id=shopify_order_id).first()
    if order is None:
        return frozenset()
    commitments.forget(order)
    return frozenset(key for key, units in _units_at_shopify(order).items() if units.remaining)


def _mark_stock_due(shop: Shop, changed: frozenset[VariantAtLocation]) -> None:
    if not changed:
        return
    levels.mark_products_due(
        shop.id,
        variants={variant for _, variant in changed if variant},
        locations={location for location, _ in changed if location},
    )


@transaction.atomic
def store(shop: Shop, node: OrderNode) -> frozenset[VariantAtLocation]:
    """Store a reading of an order and apply its consequences, unless we know a newer reading.

    Returns the variants and locations whose stock is to be compared again after this transaction. Shopify changed their
    figures by itself since the last reading (a move, an edit, a cancellation, a fulfilment by hand), or because of an
    order that no warehouse was given yet.
    """
    order, webhook_at = _locked_row(shop, node)
    if node.updated_at < order.shopify_updated_at:
        logger.info("order_reading_stale", order=order.id, shop=shop.id)
        return frozenset()
    before = _units_at_shopify(order)
    locations = our_locations.of(shop)
    verdict = readiness.verdict(node, shop, locations=locations)
    cancelled_now = bool(node.cancelled_at) and not order.cancelled_at
    deferred_before = order.deferred_detail
    address_changed = rows.write(order, node, verdict, locations=locations)
    alerts.orders.ORDER_UNREADABLE.close(order.subject)
    order_changes.apply(
        order,
        verdict,
        address_changed=address_changed,
        deferred_changed=bool(deferred_before) and order.deferred_detail != deferred_before,
        webhook_at=webhook_at,
    )
    held_shipments.retry_changed(order)
    if order.erased_at is not None and verdict.state == OrderState.READY:
        erasure.restore_if_needed(order, rows.address_of(node))
    commitments.recompute(order)
    waits = verdict.state != OrderState.READY
    return _changed(before, _units_at_shopify(order), waits=waits, cancelled_now=cancelled_now)


def _changed(
    before: UnitsByVariant, after: UnitsByVariant, *, waits: bool, cancelled_now: bool
) -> frozenset[VariantAtLocation]:
    """The variants and locations whose stock the new reading concerns. Pure.

    Of a new order these are the open units that wait: the items of a kit are gone for other orders too, even before a
    warehouse is given the order. Of a known order it is what changed, and everything when it was cancelled.
    """
    if not before:
        return frozenset(key for key, units in after.items() if units.remaining and waits)
    concerned = before.items() | after.items() if cancelled_now else before.items() ^ after.items()
    return frozenset(key for key, _ in concerned)


def _units_at_shopify(order: Order) -> UnitsByVariant:
    """The units of an order by location and variant, as its fulfilment orders were last stored."""
    lines = FulfillmentOrderLine.objects.filter(fulfillment_order__order=order)
    grouped = lines.values_list("fulfillment_order__location_id", "order_line__shopify_variant_id")
    # A fulfilment order of another status keeps its remaining quantity.
    still_open = Q(fulfillment_order__status__in=commitments.COMMITTED)
    sums = grouped.annotate(
        total=Sum("total_quantity"),
        remaining=Sum("remaining_quantity", filter=still_open, default=0),
        kept=Sum("order_line__quantity"),
    )
    return {(location, variant): UnitsAtShopify(*units) for location, variant, *units in sums}


def _locked_row(shop: Shop, node: OrderNode) -> tuple[Order, datetime | None]:
    """The locked row of the order, made if it is new, and the time of the first webhook since the last reading."""
    subject = order_subject(shop.id, node.id)
    webhook_at = first_seen_after(subject, kinds=WEBHOOKS, after=OuterRef("read_at"))
    found = Order.objects.select_for_update(of=("self",)).filter(shop=shop, shopify_order_id=node.id)
    order = found.annotate(webhook_at=webhook_at).first()
    if order is None:
        fresh = Order(
            shop=shop,
            shopify_order_id=node.id,
            name=node.name[:100],
            reason=Reason.NO_FULFILLMENT_ORDERS,
            shopify_updated_at=node.updated_at,
            received_at=first_seen(subject) or timezone.now(),
        )
        Order.objects.bulk_create([fresh], ignore_conflicts=True)
        order = found.annotate(webhook_at=F("received_at")).get()
    order.shop = shop
    return order, order.webhook_at
