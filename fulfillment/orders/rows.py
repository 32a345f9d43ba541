"""Writes a reading of an order into the rows of the order, its lines and its fulfilment orders. Only what differs is
written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Model
from django.utils import timezone

from fulfillment.models import FulfillmentOrder, FulfillmentOrderLine, Order, OrderLine
from fulfillment.models.order_rows import OrderRows
from fulfillment.models.states import OrderState, Reason
from fulfillment.readiness import Verdict
from fulfillment.shopify.our_locations import OurLocations
from fulfillment.shopify.snapshots import FulfillmentOrderNode, LineNode, OrderNode
from shops.models import Shop

M = TypeVar("M", bound=Model)
K = TypeVar("K", bound=tuple[int, int])

_DATES = {"read_at", "shopify_updated_at"}
"""What changes in the row of an order about which a reading says nothing new."""

_WRITE_DATES = """
WITH dated AS (
    UPDATE fulfillment_fulfillmentorder AS work SET shopify_updated_at = new.at
    FROM unnest(%(ids)s::bigint[], %(dates)s::timestamptz[]) AS new (id, at) WHERE work.id = new.id)
UPDATE fulfillment_order SET read_at = %(read_at)s, shopify_updated_at = %(updated_at)s WHERE id = %(order)s
"""

_LINE = (
    "shopify_variant_id",
    "variant_is_gone",
    "sku",
    "title",
    "quantity",
    "requires_shipping",
    "is_gift_card",
)
_FULFILLMENT_ORDER = (
    "status",
    "request_status",
    "location_id",
    "is_ours",
    "at_foreign_service",
    "delivery_method",
    "fulfill_at",
    "hold_reason",
)
_REQUEST = ("order_line_id", "total_quantity", "remaining_quantity")


def write(
    order: Order, node: OrderNode, verdict: Verdict, rows: OrderRows, *, locations: OurLocations
) -> bool:
    """Store a reading; returns whether the order's stored address changed. The caller has locked the order.

    `rows`: the rows as they are stored; afterwards as they are stored then. A reading that says nothing new moves only
    the times up to which all changes are known, with one statement.
    """
    address = order.ship_to
    changed = _set(order, _header(order, node) | _deferral(verdict))
    _write_lines(order, node, rows)
    dated = _write_fulfillment_orders(order, node, rows, locations=locations)
    if dated or (changed and changed <= _DATES):
        _write_dates(order, dated)
    if not changed <= _DATES:
        order.save(update_fields=changed)
    return bool(address) and order.ship_to != address


def new_order(shop: Shop, node: OrderNode, **fields: Any) -> Order:
    """The row of an order that was never read before, not stored yet."""
    order = Order(shop=shop, shopify_order_id=node.id, reason=Reason.NO_FULFILLMENT_ORDERS, **fields)
    _set(order, _header(order, node))
    return order


def new_lines(order: Order, node: OrderNode) -> list[OrderLine]:
    """The rows of the lines of such an order, not stored yet."""
    return [_line_row(order, line, None) for line in node.line_items.nodes]


def address_of(node: OrderNode) -> str:
    """The shipping address as JSON in our field names; "" if there is none."""
    found = node.shipping_address
    return address_json(found.model_dump(), email=node.email, phone=node.phone) if found else ""


def address_json(address: Mapping[str, str], *, email: str, phone: str) -> str:
    """As `address_of`, from the fields of Shopify's address. `phone` is that of the order."""
    parts = dict(address)
    parts["country"], parts["province"] = parts.pop("country_code"), parts.pop("province_code")
    parts["phone"] = parts["phone"] or phone
    return json.dumps({**parts, "email": email}, sort_keys=True)


def _set(row: Model, values: dict[str, Any]) -> set[str]:
    """Set fields of a row; returns the names of those that had another value."""
    changed = {name for name, value in values.items() if getattr(row, name) != value}
    for name in changed:
        setattr(row, name, values[name])
    return changed


def _header(order: Order, node: OrderNode) -> dict[str, Any]:
    """What concerns the order as a whole."""
    return {
        "name": node.name[:100],
        "financial_status": node.display_financial_status[:40],
        "is_test": node.test,
        "cancelled_at": node.cancelled_at,
        "placed_at": node.processed_at,
        "shopify_updated_at": node.known_until(node.updated_at),
        "country": node.shipping_address.country_code[:2] if node.shipping_address else "",
        # An erased address stays erased here; `erasure.restore_if_needed` brings it back.
        "ship_to": address_of(node) if order.erased_at is None else "",
        "shipping_method": node.shipping_line.title[:255] if node.shipping_line else "",
        "read_at": node.asked_at or timezone.now(),
    }


def _deferral(verdict: Verdict) -> dict[str, Any]:
    """What the verdict says of the units that may not go yet. No lag runs while nothing may go."""
    deferred = verdict.deferred
    return {
        "deferred_reason": deferred.reason if deferred else Reason.NONE,
        "deferred_detail": deferred.detail if deferred else "",
        "deferred_until": deferred.until if deferred else None,
        **({} if verdict.state == OrderState.READY else {"lag_started_at": None}),
    }


def _write_dates(order: Order, dated: Sequence[FulfillmentOrder]) -> None:
    """Store up to when we know the changes of the order and of these fulfilment orders. One statement."""
    values: dict[str, Any] = {
        "order": order.id,
        "read_at": order.read_at,
        "updated_at": order.shopify_updated_at,
        "ids": [work.id for work in dated],
        "dates": [work.shopify_updated_at for work in dated],
    }
    with connection.cursor() as cursor:
        cursor.execute(_WRITE_DATES, values)


def _write_differing(
    new: Mapping[K, M],
    known: Mapping[K, M],
    *,
    unique: Sequence[str],
    fields: Sequence[str],
    besides: Sequence[str] = (),
) -> dict[K, M]:
    """Insert or update those rows that are not stored like this; returns the known rows and the new ones.

    A known row stays the same object. `fields`: those that are compared. `besides`: those that are written along.
    """
    differing = {
        key: row
        for key, row in new.items()
        if key not in known or any(getattr(row, name) != getattr(known[key], name) for name in fields)
    }
    if differing:
        model = type(next(iter(differing.values())))
        model._default_manager.bulk_create(
            differing.values(), update_conflicts=True, unique_fields=unique, update_fields=[*fields, *besides]
        )
    for key in differing.keys() & known.keys():
        _set(known[key], {name: getattr(differing[key], name) for name in (*fields, *besides)})
    return {**known, **{key: row for key, row in differing.items() if key not in known}}


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


def _write_lines(order: Order, node: OrderNode, rows: OrderRows) -> None:
    """Store the lines; those that the reading lacks keep no units."""
    known = {(order.id, line.shopify_line_id): line for line in rows.lines}
    new = {
        (order.id, line.id): _line_row(order, line, known.get((order.id, line.id)))
        for line in node.line_items.nodes
    }
    gone = [line for key, line in known.items() if key not in new and line.quantity]
    if gone:
        OrderLine.objects.filter(id__in=[line.id for line in gone]).update(quantity=0)
    for line in gone:
        line.quantity = 0
    stored = _write_differing(new, known, unique=("order_id", "shopify_line_id"), fields=_LINE)
    rows.lines = sorted(stored.values(), key=lambda line: line.id)


def _write_fulfillment_orders(
    order: Order, node: OrderNode, rows: OrderRows, *, locations: OurLocations
) -> list[FulfillmentOrder]:
    """Store the fulfilment orders with their lines, and delete those that the reading lacks: their ids change with
    moves, splits and edits.

    Returns those of which nothing but the time differs up to which we know all changes. It is not stored yet.
    """
    known = {(order.id, work.shopify_fulfillment_order_id): work for work in rows.fulfillment_orders}
    new = {
        (order.id, each.id): _fulfillment_order_row(order, node, each, locations=locations)
        for each in node.fulfillment_orders.nodes
    }
    unique = ("order_id", "shopify_fulfillment_order_id")
    stored = _write_differing(
        new, known, unique=unique, fields=_FULFILLMENT_ORDER, besides=("shopify_updated_at",)
    )
    rows.fulfillment_orders = [stored[key] for key in new]
    _write_requests(node, rows)
    gone = [work.id for key, work in known.items() if key not in new]
    if gone:
        FulfillmentOrder.objects.filter(id__in=gone).delete()
    dates = [(stored[key], row.shopify_updated_at) for key, row in new.items()]
    return [work for work, at in dates if _set(work, {"shopify_updated_at": at})]


def _write_requests(node: OrderNode, rows: OrderRows) -> None:
    """Store the lines of the fulfilment orders, and delete those that the reading lacks."""
    lines = {line.shopify_line_id: line for line in rows.lines}
    known = {(each.fulfillment_order_id, each.shopify_line_id): each for each in rows.requests}
    new = {
        (work.id, line.id): FulfillmentOrderLine(
            fulfillment_order=work,
            shopify_line_id=line.id,
            order_line=lines[line.line_item.id],
            total_quantity=line.total_quantity,
            remaining_quantity=line.remaining_quantity,
        )
        for work, each in zip(rows.fulfillment_orders, node.fulfillment_orders.nodes, strict=True)
        for line in each.line_items.nodes
        if line.line_item.id in lines
    }
    gone = [each.id for key, each in known.items() if key not in new]
    if gone:
        FulfillmentOrderLine.objects.filter(id__in=gone).delete()
    stored = _write_differing(new, known, unique=("fulfillment_order_id", "shopify_line_id"), fields=_REQUEST)
    rows.requests = [stored[key] for key in new]


def _fulfillment_order_row(
    order: Order, node: OrderNode, each: FulfillmentOrderNode, *, locations: OurLocations
) -> FulfillmentOrder:
    return FulfillmentOrder(
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
