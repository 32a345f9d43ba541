"""The alerts about orders that are to be cancelled after they went to a warehouse."""

from __future__ import annotations

from fulfillment.models import Order, WmsOrder
from ops.alerting.kinds import AlertKind, Closes
from ops.models import Severity

CANCEL_BY_HAND = AlertKind("cancel_by_hand", closes=Closes.ITSELF, severity=Severity.CRITICAL)
CANCEL_DECLINED = AlertKind("cancel_declined", closes=Closes.ITSELF_OR_PERSON, severity=Severity.CRITICAL)
CANCEL_UNANSWERED = AlertKind("cancel_unanswered", closes=Closes.ITSELF, severity=Severity.CRITICAL)
CANCEL_TOO_LATE = AlertKind("cancel_too_late", closes=Closes.ITSELF_OR_PERSON, severity=Severity.CRITICAL)

ONLY_A_PERSON_CAN_STOP = (CANCEL_BY_HAND, CANCEL_DECLINED)
"""Only a person can still stop these goods. Once they have left, or are wanted again, nobody must try."""


def cancel_by_hand(row: WmsOrder) -> None:
    """An order is to be cancelled, but its WMS has no interface for that."""
    CANCEL_BY_HAND.open(
        row.order.subject,
        shop=row.order.shop.domain,
        title=f"Order {row.order} must be cancelled by hand in {row.warehouse.connection.slug}",
        meaning=f"{_why(row.order)} This WMS has no interface for a cancellation.",
        action=f"Cancel {row.remote_id} in the WMS. Its status callback then ends the order here.",
    )


def cancel_unanswered(row: WmsOrder) -> None:
    """The WMS was asked an hour ago to cancel an order, and has not answered."""
    CANCEL_UNANSWERED.open(
        row.subject,
        shop=row.order.shop.domain,
        title=f"{row.warehouse.place} has not said whether it cancels order {row.order}",
        meaning=f"{_why(row.order)} The WMS was asked an hour ago to cancel it. The parcel may still go out.",
        action=f"Ask the warehouse, and have its WMS report the status of {row.remote_id}.",
    )


def cancel_declined(row: WmsOrder, *, answer: str) -> None:
    """The WMS refused to cancel an order, so the goods will ship. `answer`: its own words."""
    CANCEL_DECLINED.open(
        row.order.subject,
        shop=row.order.shop.domain,
        title=f"{row.warehouse.place} declined to cancel order {row.order}",
        meaning=f"{_why(row.order)} The warehouse will ship it in spite of this. The WMS said: {answer or 'no'}",
        action="Speak with the warehouse: only the warehouse can still stop the order. Once it is packed, a return is "
        "announced. If it is cancelled after all, this alert closes by itself.",
    )


def cancel_too_late(row: WmsOrder) -> None:
    """An order was to be cancelled, but its goods are packed or shipped. A return was announced."""
    order = row.order
    CANCEL_TOO_LATE.open(
        order.subject,
        shop=order.shop.domain,
        title=f"Order {order} was {'cancelled' if order.cancelled_at else 'refunded'} too late: "
        f"it is {row.get_wms_status_display().lower()}",
        meaning="The parcel goes out. A return was announced to the warehouse.",
        action="Try to stop the parcel at the warehouse. If that is not possible, tell the customer that the parcel "
        "will arrive and that they may send it back.",
    )


def _why(order: Order) -> str:
    """Why the warehouse must not send the goods, as a sentence."""
    if order.cancelled_at:
        return "The order was cancelled in Shopify."
    return "Shopify asks for nothing more of it: the rest was refunded, fulfilled by others, or moved away."
