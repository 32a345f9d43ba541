"""Reads orders at Shopify and stores the readings. A webhook says only that an order changed (law 4)."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import NamedTuple

import structlog
from django.db import transaction

from fulfillment import alerts, commitments, jobs, readiness
from fulfillment.models import Order, order_rows
from fulfillment.models.order_rows import OrderRows
from fulfillment.models.states import OrderState
from fulfillment.orders import order_changes
from fulfillment.orders.notices import look, searched
from fulfillment.orders.notices.look import Look
from fulfillment.orders.stored import rows, stored_orders
from fulfillment.privacy import erasure
from fulfillment.refs import order_subject
from fulfillment.shipments import cancelled_fulfillments
from fulfillment.shopify import queries
from fulfillment.shopify.snapshots import OrderNode
from inventory.stock import levels
from ops.errors import JobError
from ops.models import Priority
from ops.queue import lanes
from shops.budget import points
from shops.ids import LocationId, ShopifyOrderId, ShopPk, VariantId
from shops.models import Shop

logger = structlog.get_logger(__name__)

LONGEST_READING = 25.0
"""After this many seconds a run makes no further request for orders. One that began before may take as long again."""

VariantAtLocation = tuple[LocationId | None, VariantId | None]
"""A Shopify location and a Shopify variant, whose stock there is one figure."""


class MustBeChecked(Exception):
    """Our fulfilments of an order must be checked before a reading of the order is stored."""

    def __init__(self, order: Order) -> None:
        super().__init__(f"the fulfilments of order {order.shopify_order_id}")
        self.order = order


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
    shop_pk: ShopPk,
    shopify_order_ids: Sequence[ShopifyOrderId],
    *,
    for_webhooks: Collection[ShopifyOrderId] = (),
    priority: Priority = Priority.HIGH,
) -> None:
    """Read orders at Shopify with few requests, and store each in a transaction of its own.

    `for_webhooks`: those for which nobody but webhooks asked. They are left out if these tell of nothing new, as they
    do after our own fulfilments. Raises what `shops.api.client.execute` raises, unless some orders were stored by then:
    the others are asked for once more.
    """
    seen = look.look(shop_pk, shopify_order_ids, new_too=searched.may_be_worth_it(for_webhooks))
    known = look.settle(seen, for_webhooks)
    wanted = [each for each in shopify_order_ids if each not in known]
    if known:
        logger.info("orders_known", shop=shop_pk, orders=len(known))
    if wanted:
        _read(seen, wanted, for_webhooks=for_webhooks, priority=priority)


def _read(
    seen: Look,
    order_ids: Sequence[ShopifyOrderId],
    *,
    for_webhooks: Collection[ShopifyOrderId],
    priority: Priority,
) -> None:
    """What one request read is stored before the next is made, so nothing is lost if the run ends early."""
    began = time.monotonic()
    stored = _store_found(seen, [each for each in order_ids if each in for_webhooks], priority=priority)
    left = [each for each in order_ids if each not in stored]
    while left and (not stored or time.monotonic() - began < LONGEST_READING):
        part = left[: queries.ORDERS_PER_READ]
        try:
            with _paid_apart(seen.shop, part) if len(part) < len(order_ids) else nullcontext():
                _read_by_id(seen, part, priority=priority)
        except JobError:
            if not stored:
                raise
            break
        left = left[len(part) :]
        stored.update(part)
    _ask_again(seen.shop, left, for_webhooks=for_webhooks, priority=priority)


def _paid_apart(shop: Shop, order_ids: Sequence[ShopifyOrderId]) -> AbstractContextManager[None]:
    """The points for these orders alone are reserved. So they are read even if there are too few for the whole run."""
    return points.work(f"fulfillment.read_orders:{shop.id}:{order_ids[0]}")


def _store_found(
    seen: Look, order_ids: Sequence[ShopifyOrderId], *, priority: Priority
) -> set[ShopifyOrderId]:
    """Store those of these orders that the search shows, and return them. What they make due begins meanwhile."""
    found = searched.read(seen, order_ids, priority=priority)
    for number, node in enumerate(found):
        if number % queries.ORDERS_PER_READ == 0:
            lanes.send_kept()
        _store(seen, node)
    return {node.id for node in found}


def _read_by_id(seen: Look, order_ids: Sequence[ShopifyOrderId], *, priority: Priority) -> None:
    found = queries.orders(seen.shop, order_ids, asked_at=seen.at, priority=priority)
    for order_id in order_ids:
        if order_id in found:
            _store(seen, found[order_id])
        else:
            alerts.orders.order_unreadable(
                seen.shop, subject=order_subject(seen.shop.id, order_id), shopify_order_id=order_id
            )
            _mark_stock_due(seen.shop, _forget_commitments(seen.shop, order_id))


def _store(seen: Look, node: OrderNode) -> None:
    changed = store_checked(
        seen.shop, node, webhook_at=seen.first_webhook_at(node.id), is_known=node.id in seen.orders
    )
    _mark_stock_due(seen.shop, changed)


def _ask_again(
    shop: Shop,
    order_ids: Sequence[ShopifyOrderId],
    *,
    for_webhooks: Collection[ShopifyOrderId],
    priority: Priority,
) -> None:
    """Have orders read in a later run, which finds what stopped this one. So no order is read twice for it."""
    for order_id in order_ids:
        jobs.orders.reading(
            shop.id, order_id, lane=shop.lane, priority=priority, for_webhooks=order_id in for_webhooks
        ).enqueue()
    if order_ids:
        logger.info("orders_left", shop=shop.id, orders=len(order_ids))


def store_checked(
    shop: Shop, node: OrderNode, *, webhook_at: datetime | None = None, is_known: bool = True
) -> frozenset[VariantAtLocation]:
    """As `store`. If our fulfilments must be checked first, they are read before the reading is stored.

    Raises what `shops.api.client.execute` raises.
    """
    try:
        return store(shop, node, webhook_at=webhook_at, is_known=is_known)
    except MustBeChecked as error:
        cancelled_fulfillments.check(shop, error.order)
        return store(shop, node, webhook_at=webhook_at, is_checked=True)


@transaction.atomic
def _forget_commitments(shop: Shop, shopify_order_id: ShopifyOrderId) -> frozenset[VariantAtLocation]:
    """Shopify does not show an order any more, so it has nothing of it committed.

    Returns the variants and locations of its open units, whose stock is to be compared again.
    """
    order = stored_orders.lock(shop, shopify_order_id)
    if order is None:
        return frozenset()
    commitments.forget(order)
    units_at_shopify = _units_at_shopify(order_rows.read(order))
    return frozenset(key for key, units in units_at_shopify.items() if units.remaining)


def _mark_stock_due(shop: Shop, changed: frozenset[VariantAtLocation]) -> None:
    if not changed:
        return
    levels.mark_products_due(
        shop.id,
        variants={variant for _, variant in changed if variant},
        locations={location for location, _ in changed if location},
    )


@transaction.atomic
def store(
    shop: Shop,
    node: OrderNode,
    *,
    webhook_at: datetime | None = None,
    is_checked: bool = False,
    is_known: bool = True,
) -> frozenset[VariantAtLocation]:
    """Store a reading of an order and apply its consequences, unless we know a newer reading.

    `webhook_at`: when the first webhook came that told of what was read. `is_known`: whether the order was read before,
    as far as the caller knows; the statements for a new order are fewer then.

    What is stored is read once, and compared with the reading and with what follows from it today. Where nothing
    differs, nothing is written: a reading without news moves only the time of the last reading.

    Returns the variants and locations whose stock is to be compared again after this transaction. Shopify changed their
    figures by itself since the last reading (a move, an edit, a cancellation, a fulfilment by hand), or because of an
    order that no warehouse was given yet. What our own fulfilments take off is stored with them already.

    Raises MustBeChecked, with nothing stored, if our fulfilments of the order must be checked first (`is_checked`: they
    were).
    """
    order, new = stored_orders.lock_or_store(shop, node, is_known=is_known)
    if node.updated_at < order.shopify_updated_at:
        logger.info("order_reading_stale", order=order.id, shop=shop.id)
        return frozenset()
    stored = new or stored_orders.read(order)
    if not is_checked and cancelled_fulfillments.are_doubtful(stored.rows, node):
        raise MustBeChecked(order)
    before = _units_at_shopify(stored.rows)
    verdict = readiness.verdict(node, shop, locations=stored.locations)
    cancelled_now = bool(node.cancelled_at) and not order.cancelled_at
    deferred_before = order.deferred_detail
    address_changed = rows.write(order, node, verdict, stored.rows, locations=stored.locations)
    after = _units_at_shopify(stored.rows)
    if stored.has_open(alerts.orders.ORDER_UNREADABLE):
        alerts.orders.ORDER_UNREADABLE.close(order.subject)
    stored = order_changes.apply(
        order,
        verdict,
        stored,
        address_changed=address_changed,
        deferred_changed=bool(deferred_before) and order.deferred_detail != deferred_before,
        webhook_at=order.received_at if new else webhook_at,
    )
    if order.erased_at is not None and verdict.state == OrderState.READY:
        erasure.restore_if_needed(order, rows.address_of(node))
    stored.update_commitments()
    return _changed(before, after, waits=verdict.state != OrderState.READY, cancelled_now=cancelled_now)


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


def _units_at_shopify(found: OrderRows) -> UnitsByVariant:
    """The units of an order by location and variant, as its fulfilment orders are stored. Pure."""
    sums: dict[VariantAtLocation, UnitsAtShopify] = {}
    for each in found.requests:
        work, line = each.fulfillment_order, each.order_line
        key = work.location_id, line.shopify_variant_id
        known = sums.get(key, UnitsAtShopify(0, 0, 0))
        # A fulfilment order of another status keeps its remaining quantity.
        is_open = work.status in commitments.COMMITTED
        sums[key] = UnitsAtShopify(
            known.total + each.total_quantity,
            known.remaining + (each.remaining_quantity if is_open else 0),
            known.kept + line.quantity,
        )
    return sums
