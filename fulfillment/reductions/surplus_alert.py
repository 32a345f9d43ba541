"""What staff are told when Shopify no longer asks for units that a warehouse has: which, why, and what is done."""

from __future__ import annotations

from fulfillment.models import Order
from fulfillment.models.states import Wish
from fulfillment.reductions import change_requests
from fulfillment.reductions.surplus import Surplus
from fulfillment.reductions.units_at_work import Asked, Part, Units, Work
from fulfillment.shopify import our_locations
from fulfillment.wms_order_states import CancellationPhase, phase
from ops.alerting.alerts import raise_alert
from ops.models import Severity
from wms.adapters import capabilities_of
from wms.adapters.base import Capability
from wms.statuses import WmsStatus


def tell(order: Order, work: Work, found: Surplus) -> None:
    """Raise the alert of an order some units of which are too many, or bring it up to date. The order is locked."""
    parts = [part for part in work.parts if found.of(part)]
    done = [_what_is_done(part, all_of_it=found.is_all_of(part)) for part in parts]
    by_hand = any(person for _, person in done)
    facts = [
        f"{_where(part)}: {change_requests.units(found.of(part), part)}. {words}"
        for part, (words, _) in zip(parts, done, strict=True)
    ]
    raise_alert(
        "order_edited",
        subject=order.subject,
        severity=Severity.CRITICAL if by_hand else Severity.WARNING,
        title=f"Order {order.name} of {order.shop.domain}: a warehouse works on units that Shopify no longer asks for",
        meaning=f"{_causes(order, work, found.units)} Unless they are stopped, the customer gets more than is wanted, "
        f"or gets it twice. {' '.join(facts)}",
        action="Speak with the warehouse: only there the units can be stopped, or be expected back as a return. This "
        "closes once nothing is too many."
        if by_hand
        else "Nothing, while the WMS is being asked: this closes once it agrees, and says so when it does not.",
    )


def _where(part: Part) -> str:
    row = part.row
    return f"{row.warehouse.place} as {row.wms_order_id or row.external_id}"


def _what_is_done(part: Part, *, all_of_it: bool) -> tuple[str, bool]:
    """In words, and whether a person has to do it."""
    row = part.row
    status = WmsStatus(row.wms_status)
    can = capabilities_of(row.warehouse.connection)
    if row.wish in (Wish.CANCEL_DECLINED, Wish.LESS_DECLINED):
        return f"It {Wish(row.wish).label}; it says: {row.wish_answer or 'no'}.", True
    if status == WmsStatus.SUBMITTING:
        return "It is not known yet whether the WMS has it; once it is, the WMS is asked.", False
    if phase(status) == CancellationPhase.UNCANCELLABLE:
        return f"It is {status.label.lower()}: too late to be asked.", True
    if all_of_it and Capability.CANCEL_ORDER in can:
        return "The WMS is asked to cancel it.", False
    if not all_of_it and Capability.UPDATE_ORDER in can and status == WmsStatus.ACCEPTED:
        return "The WMS is asked to send less.", False
    if not all_of_it and status != WmsStatus.ACCEPTED:
        return f"It is {status.label.lower()}: what is picked is not changed by interface.", True
    return "This WMS cannot be told so by its interface.", True


def _causes(order: Order, work: Work, units: Units) -> str:
    names = _names(order, work, units)
    return " ".join(_cause(work.asked[line], count, names) for line, count in sorted(units.items()))


def _names(order: Order, work: Work, units: Units) -> dict[int, str]:
    """Names of the Shopify locations that are warehouses of ours, where one is to be named."""
    if not any(work.asked[line].others for line in units):
        return {}
    return our_locations.names(order.shop_id)


def _cause(asked: Asked, count: int, names: dict[int, str]) -> str:
    line = asked.line
    what = f"{count} × {line.sku or line.title}"
    if asked.others:
        places = ", ".join(_place(place, names) for place in asked.others)
        return f"{what}: moved to {places}, which is not ours to send from."
    if not asked.known or sum(asked.ours.values()) > line.quantity or not line.quantity:
        return f"{what}: removed from the order, or refunded."
    return f"{what}: removed or refunded, fulfilled by hand or by another app, or its fulfilment order was closed."


def _place(location_id: int | None, names: dict[int, str]) -> str:
    if location_id is None:
        return "no location"
    return f"location {location_id}" + (f", {names[location_id]}" if location_id in names else "")
