"""Alerts a person if a merchant moves fulfilment orders away from the warehouse that has the order.

A move by the merchant is seen only if Shopify's work was at the warehouse's location after the order was accepted.
Shopify's own assignment before that, and our own moves, are no such move.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models.functions import Now

from fulfillment import alerts, jobs
from fulfillment.models import Order, WmsOrder
from fulfillment.reductions import change_requests
from fulfillment.reductions.units_at_work import Part, Units, Work
from fulfillment.refs import WmsOrderPk
from fulfillment.shopify import our_locations
from fulfillment.wms_order_states import AT_THE_WMS
from shops.ids import LocationId


def review(order: Order, work: Work) -> None:
    """Raise the alert about work that was moved away, and store which parts have their work at the right location.

    The order is locked.
    """
    parts = _at_the_wms(work)
    away = {part.row.id: units for part in parts if (units := missing_here(part, parts, work))}
    here = [part.row.id for part in parts if part.row.id not in away and not part.row.at_location_since]
    if here:
        WmsOrder.objects.filter(id__in=here).update(at_location_since=Now())
    moved = [part for part in parts if part.row.id in away and _was_moved_away(part)]
    if moved:
        _raise_alert(order, moved, work, away)
    elif any(part.row.at_location_since for part in work.parts):
        alerts.orders.ORDER_MOVED.close(order.subject)


def is_due(work: Work) -> bool:
    """Whether `review` may find work that was moved away, or a part whose work is at its location only now. Pure."""
    parts = _at_the_wms(work)
    return any(not part.row.at_location_since or missing_here(part, parts, work) for part in parts)


def _at_the_wms(work: Work) -> list[Part]:
    return [part for part in work.parts if part.row.wms_status in AT_THE_WMS and part.left()]


def missing_here(part: Part, parts: Iterable[Part], work: Work) -> Units:
    """Units of a part that Shopify asks for at another location of ours, and not at the part's own. Pure."""
    missing: Units = {}
    for line, left in part.left().items():
        asked = work.demand[line].ours
        given_here = sum(each.left().get(line, 0) for each in parts if each.location_id == part.location_id)
        lacking = given_here - asked.get(part.location_id, 0)
        elsewhere = sum(asked.values()) - asked.get(part.location_id, 0)
        due_there = sum(each.left().get(line, 0) for each in parts if each.location_id != part.location_id)
        if (units := min(left, lacking, elsewhere - due_there)) > 0:
            missing[line] = units
    return missing


def _was_moved_away(part: Part) -> bool:
    """Whether the work was at the warehouse's location before this reading, and we are not moving it ourselves."""
    row = part.row
    seen_here = row.at_location_since is not None and row.order.read_at > row.at_location_since
    return seen_here and not jobs.shipments.move_pending(row)


def _raise_alert(order: Order, moved: list[Part], work: Work, away: dict[WmsOrderPk, Units]) -> None:
    """Raise the alert with one detail for each part that was moved."""
    names = our_locations.names(order.shop_id)
    facts = [_move_text(part, away[part.row.id], work, names) for part in moved]
    alerts.orders.order_moved(order, details=facts)


def _move_text(part: Part, units: Units, work: Work, names: dict[LocationId, str]) -> str:
    """Which units were moved, from where and to where."""
    goods = change_requests.units_text(units, part)
    to = sorted(
        {place for line in units for place in work.demand[line].ours if place and place != part.location_id}
    )
    places = ", ".join(
        f"{names[place]}, location {place}" if place in names else f"location {place}" for place in to
    )
    return f"{goods}: from {part.row.warehouse.place}, location {part.location_id}, to {places}."
