"""The alert about a surplus: which units Shopify no longer asks for, why, and what is done about it."""

from __future__ import annotations

from fulfillment import alerts
from fulfillment.models import Order
from fulfillment.models.states import ChangeRequest
from fulfillment.reductions import change_requests
from fulfillment.reductions.surplus import Surplus
from fulfillment.reductions.units_at_work import LineDemand, Part, Units, Work
from fulfillment.shopify import our_locations
from fulfillment.wms_order_states import CancellationPhase, phase
from shops.ids import LocationId
from wms.adapters import capabilities_of
from wms.adapters.base import Capability
from wms.vocabulary.statuses import WmsStatus


def update(order: Order, work: Work, found: Surplus) -> None:
    """Raise the alert about the surplus of an order, or bring it up to date. The order is locked."""
    parts = [part for part in work.parts if found.units_of(part)]
    done = [_what_is_done(part, all_of_it=found.is_all_of(part)) for part in parts]
    by_hand = any(person for _, person in done)
    facts = [
        f"{_where(part)}: {change_requests.units_text(found.units_of(part), part)}. {words}"
        for part, (words, _) in zip(parts, done, strict=True)
    ]
    alerts.orders.order_edited(
        order, causes=_causes(order, work, found.units), details=facts, by_hand=by_hand
    )


def _where(part: Part) -> str:
    """The warehouse of a part, and the id by which staff find the part there."""
    row = part.row
    return f"{row.warehouse.place} as {row.remote_id or row.external_id}"


def _what_is_done(part: Part, *, all_of_it: bool) -> tuple[str, bool]:
    """What is done about a part's surplus, and whether a person has to do it."""
    row = part.row
    status = WmsStatus(row.wms_status)
    can = capabilities_of(row.warehouse.connection)
    if row.change_request in (ChangeRequest.CANCEL_DECLINED, ChangeRequest.REDUCTION_DECLINED):
        return (
            f"The WMS {ChangeRequest(row.change_request).label}. It said: {row.change_answer or 'no'}.",
            True,
        )
    if status == WmsStatus.SUBMITTING:
        return (
            "We do not know yet whether the WMS has the order. As soon as we know, the WMS is asked.",
            False,
        )
    if phase(status) == CancellationPhase.UNCANCELLABLE:
        return f"The WMS order is {status.label.lower()}, so it is too late to ask the WMS.", True
    if all_of_it and Capability.CANCEL_ORDER in can:
        return "The WMS is asked to cancel it.", False
    if not all_of_it and Capability.UPDATE_ORDER in can and status == WmsStatus.ACCEPTED:
        return "The WMS is asked to send less.", False
    if not all_of_it and status != WmsStatus.ACCEPTED:
        return f"The WMS order is {status.label.lower()}, and the WMS takes no change of it any more.", True
    return "This WMS has no interface for such a change.", True


def _causes(order: Order, work: Work, units: Units) -> str:
    """For each line, why its units are not wanted any more."""
    names = _names(order, work, units)
    return " ".join(_cause(work.demand[line], count, names) for line, count in sorted(units.items()))


def _names(order: Order, work: Work, units: Units) -> dict[LocationId, str]:
    """Names of our Shopify locations; empty if no cause has to name a location."""
    if not any(work.demand[line].others for line in units):
        return {}
    return our_locations.names(order.shop_id)


def _cause(asked: LineDemand, count: int, names: dict[LocationId, str]) -> str:
    """Why Shopify no longer asks for these units of a line, as far as the reading shows."""
    line = asked.line
    what = f"{count} × {line.label}"
    if asked.others:
        places = ", ".join(_location_text(place, names) for place in asked.others)
        return f"{what}: moved to {places}, which is not one of our locations."
    if not asked.known or sum(asked.ours.values()) > line.quantity or not line.quantity:
        return f"{what}: removed from the order, or refunded."
    return f"{what}: removed, refunded, or fulfilled by hand or by another app, or its fulfilment order was closed."


def _location_text(location_id: LocationId | None, names: dict[LocationId, str]) -> str:
    if location_id is None:
        return "no location"
    return f"location {location_id}" + (f", {names[location_id]}" if location_id in names else "")
