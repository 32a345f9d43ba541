"""The alerts about what a WMS did with an order: refused it, cancelled it, lost it, or reported something unknown."""

from __future__ import annotations

from fulfillment.models import Order, WmsOrder
from fulfillment.refs import unknown_status_subject
from ops.alerting.kinds import AlertKind, Closes
from ops.models import Severity
from ops.refs import Subject
from wms.models import Connection

OUTCOME_UNKNOWN = AlertKind("outcome_unknown", closes=Closes.ITSELF, severity=Severity.CRITICAL)
WMS_REJECTED = AlertKind("wms_rejected", closes=Closes.ITSELF, severity=Severity.CRITICAL)
WMS_CANCELLED = AlertKind("wms_cancelled", closes=Closes.ITSELF, severity=Severity.CRITICAL)
WMS_ORDER_GONE = AlertKind("wms_order_gone", closes=Closes.ITSELF_OR_PERSON, severity=Severity.CRITICAL)

ENDED_BY_THE_WMS = (WMS_REJECTED, WMS_CANCELLED)
"""The WMS refused or cancelled the order, and a person decides what happens next."""

LOOK_UP_REFUSED = AlertKind(
    "look_up_refused",
    closes=Closes.ITSELF,
    of_no_shop="it may be about all orders of a WMS, which several shops may share",
)
UNKNOWN_WMS_ORDER = AlertKind(
    "unknown_wms_order", closes=Closes.ITSELF_OR_PERSON, of_no_shop="nobody knows whose order it is"
)
UNKNOWN_WMS_STATUS = AlertKind(
    "unknown_wms_status", closes=Closes.PERSON, of_no_shop="a WMS may serve several shops"
)


def outcome_unknown(order: Order, row: WmsOrder, connection: Connection) -> None:
    """The answer to a submission was lost. The WMS can neither look the order up nor get it twice."""
    OUTCOME_UNKNOWN.open(
        row.subject,
        shop=order.shop.domain,
        title=f"Does {connection.slug} have order {order}?",
        meaning="We sent the order, but the answer was lost. This WMS cannot look an order up by our ID, and an order "
        "that is sent twice might be shipped twice. So nothing more is sent until you decide.",
        action="Look for the order in the WMS. Then open the WMS order in the console and choose «It is there as …» "
        "or, once the time that its page names has come, «It is not there».",
    )


def wms_rejected(order: Order, *, reason: str) -> None:
    """The WMS refused the order for good."""
    WMS_REJECTED.open(
        order.subject,
        shop=order.shop.domain,
        title=f"The WMS refused order {order}",
        meaning=f"The warehouse does not have the order. The WMS said: {reason[:500]}",
        action="Correct what the WMS names. Then replay the dead letter «fulfillment.submit» to send the order to the "
        "same warehouse, or choose «Route again» on the order.",
    )


def wms_cancelled(row: WmsOrder, order: Order, *, partly_shipped: bool, reason: str) -> None:
    """The WMS cancelled an order that nobody cancelled in Shopify."""
    WMS_CANCELLED.open(
        order.subject,
        shop=order.shop.domain,
        title=f"{row.warehouse.place} cancelled order {order}",
        meaning=f"The customer has paid, but {'the rest of the order' if partly_shipped else 'the order'} will not be "
        f"sent. {reason}".strip(),
        action="Ask the warehouse why. Then choose «Route again» on the order, or cancel or refund it in Shopify. This "
        "alert then closes by itself.",
    )


def wms_order_gone(row: WmsOrder, *, found: str) -> None:
    """The WMS no longer knows an order that it had accepted. `found`: the id that it has instead, or ""."""
    WMS_ORDER_GONE.open(
        row.subject,
        shop=row.order.shop.domain,
        title=f"{row.warehouse.connection.slug} no longer knows order {row.order}, which it had accepted as "
        f"{row.remote_id}",
        meaning=f"{f'It has the order {found} instead.' if found else 'It has no such order.'} The order may never be "
        "shipped.",
        action=f"Ask the people who run the WMS what happened to {row.external_id}. If the order was removed there, "
        "ask them to report it as cancelled. Then choose «Route again» on the order.",
    )


def look_up_refused(row: WmsOrder, *, reason: str) -> None:
    """The WMS refuses to look one order up; it looks others up."""
    _look_up_refused(
        row.subject,
        shop=row.order.shop.domain,
        what=f"{row.warehouse.connection.slug} cannot be asked about order {row.order}",
        reason=reason,
    )


def all_look_ups_refused(connection: Connection, *, reason: str) -> None:
    """The WMS refuses to look any order up."""
    _look_up_refused(
        connection.subject, shop=None, what=f"{connection.slug} cannot be asked about orders", reason=reason
    )


def _look_up_refused(subject: Subject, *, shop: str | None, what: str, reason: str) -> None:
    LOOK_UP_REFUSED.open(
        subject,
        shop=shop,
        title=what,
        meaning=f"If a callback of this WMS is lost, nobody will notice. The WMS said: {reason[:500]}",
        action="Ask the people who run the WMS why. If it cannot look orders up, remove «find_order» from the "
        "capabilities of the connection.",
    )


def unknown_wms_order(subject: Subject, *, remote_id: str) -> None:
    """A callback names an order that we do not know."""
    UNKNOWN_WMS_ORDER.open(
        subject,
        shop=None,
        title=f"A WMS reports about an order that we do not know: {remote_id}",
        meaning="Its callback waits and changes nothing until we know the order.",
        action="Compare the WMS with the WMS orders in the console, first with those that are being sent and those "
        "that wait for a decision. As soon as one of them is known by this ID, the callback is processed by itself. "
        "If the order was entered by hand in the WMS, choose «Discard» on the waiting job and close this alert.",
    )


def unknown_wms_status(connection: Connection, *, word: str) -> None:
    """A WMS uses a word for the status of an order that we do not know."""
    UNKNOWN_WMS_STATUS.open(
        unknown_status_subject(connection.slug, word),
        shop=None,
        title=f"{connection.slug} uses an order status that we do not know: {word[:100]}",
        meaning="The order keeps the status that it had here.",
        action="Ask the people who run the WMS what the word means, and have it added to "
        "wms/vocabulary/statuses.py. Then close this alert.",
    )
