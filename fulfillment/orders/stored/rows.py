"""Writes a reading of an order into the rows of the order, its lines and its fulfilment orders. Only what differs is
written."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Model
from django.utils import timezone

from fulfillment.models import FulfillmentOrder, FulfillmentOrderLine, Order, OrderLine
from fulfillment.models.order_rows import OrderRows
from fulfillment.models.states import OrderState, Reason
from fulfillment.orders.stored import writing
from fulfillment.readiness import Verdict
from fulfillment.shopify.our_locations import OurLocations
from fulfillment.shopify.snapshots import FulfillmentOrderNode, LineNode, OrderNode
from shops.models import Shop

M = TypeVar("M", bound=Model)
K = TypeVar("K", bound=Hashable)

_DATES = {"read_at", "shopify_updated_at"}
"""What changes in the row of an order about which a reading says nothing new."""

_WRITE_DATES = """
WITH dated AS (
    UPDATE fulfillment_fulfillmentorder AS work SET shopify_updated_at = new.at
    FROM unnest(%(ids)s::bigint[], %(dates)s::timestamptz[]) AS new (id, at) WHERE work.id = new.id)
UPDATE fulfillment_order SET read_at = %(read_at)s, shopify_updated_at = %(updated_at)s WHERE id = %(order)s
"""


def write(
    order: Order, node: OrderNode, verdict: Verdict, rows: OrderRows, *, locations: OurLocations
) -> bool:
    """Store a reading; returns whether the order's stored address changed. The caller has locked the order.

    `rows`: the rows as they are stored; afterwards as they are stored then. A reading that says nothing new moves only
    the times up to which all changes are known, with one statement; what it says of lines and fulfilment orders is
    written with one, too.
    """
    address = order.ship_to
    changed = _set(order, _header(order, node) | _deferral(verdict))
    lines = _merge_lines(order, node, rows)
    works, dated = _merge_fulfillment_orders(order, node, rows, locations=locations)
    writing.write_rows(lines, works, _merge_requests(node, rows))
    rows.lines.sort(key=lambda line: line.id)
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


def _merge(
    new: Mapping[K, M], known: Mapping[K, M], *, fields: Sequence[str], besides: Sequence[str] = ()
) -> tuple[dict[K, M], list[M]]:
    """The rows of a reading, and those of them that are not stored like this. A known row stays the same object.

    `fields`: those that are compared. `besides`: those that are written along.
    """
    merged = {key: known.get(key, row) for key, row in new.items()}
    differing = []
    for key, row in merged.items():
        if key not in known:
            differing.append(row)
        elif _set(row, {name: getattr(new[key], name) for name in fields}):
            _set(row, {name: getattr(new[key], name) for name in besides})
            differing.append(row)
    return merged, differing


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


def _merge_lines(order: Order, node: OrderNode, rows: OrderRows) -> list[OrderLine]:
    """Compare the lines; returns those to be written. Those that the reading lacks keep no units."""
    known = {line.shopify_line_id: line for line in rows.lines}
    new = {line.id: _line_row(order, line, known.get(line.id)) for line in node.line_items.nodes}
    gone = {key: line for key, line in known.items() if key not in new}
    emptied = [line for line in gone.values() if _set(line, {"quantity": 0})]
    merged, differing = _merge(new, known, fields=writing.LINE)
    rows.lines = [*gone.values(), *merged.values()]
    return emptied + differing


def _merge_fulfillment_orders(
    order: Order, node: OrderNode, rows: OrderRows, *, locations: OurLocations
) -> tuple[list[FulfillmentOrder], list[FulfillmentOrder]]:
    """Compare the fulfilment orders, and delete those that the reading lacks, with their lines: their ids change with
    moves, splits and edits.

    Returns those to be written, and those of which nothing but the time differs up to which we know all changes.
    """
    known = {work.shopify_fulfillment_order_id: work for work in rows.fulfillment_orders}
    new = {
        each.id: _fulfillment_order_row(order, node, each, locations=locations)
        for each in node.fulfillment_orders.nodes
    }
    gone = [work.id for key, work in known.items() if key not in new]
    if gone:
        FulfillmentOrder.objects.filter(id__in=gone).delete()
        rows.requests = [each for each in rows.requests if each.fulfillment_order_id not in gone]
    merged, differing = _merge(new, known, fields=writing.FULFILLMENT_ORDER, besides=("shopify_updated_at",))
    rows.fulfillment_orders = list(merged.values())
    times = [(merged[key], row.shopify_updated_at) for key, row in new.items()]
    return differing, [work for work, at in times if _set(work, {"shopify_updated_at": at})]


def _merge_requests(node: OrderNode, rows: OrderRows) -> list[FulfillmentOrderLine]:
    """Compare the lines of the fulfilment orders, and delete those that the reading lacks. Returns those to be
    written."""
    lines = {line.shopify_line_id: line for line in rows.lines}
    known = {
        (each.fulfillment_order.shopify_fulfillment_order_id, each.shopify_line_id): each
        for each in rows.requests
    }
    new = {
        (each.id, line.id): FulfillmentOrderLine(
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
    merged, differing = _merge(new, known, fields=("order_line", "total_quantity", "remaining_quantity"))
    rows.requests = list(merged.values())
    return differing


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
