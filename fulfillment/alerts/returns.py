"""The alerts about goods that come back to a warehouse."""

from __future__ import annotations

from collections.abc import Sequence

from fulfillment.alerts.wms_orders import OUTCOME_UNKNOWN
from fulfillment.models import Order, Return
from ops.alerting.kinds import AlertKind, Closes
from ops.refs import Subject

RETURN_RECEIVED = AlertKind("return_received", closes=Closes.PERSON)
RETURN_CONTRADICTED = AlertKind("return_contradicted", closes=Closes.PERSON)
RETURN_REFUSED = AlertKind("return_refused", closes=Closes.PERSON)
UNKNOWN_RETURN = AlertKind(
    "unknown_return", closes=Closes.PERSON, of_no_shop="nobody knows whose goods came back"
)


def return_outcome_unknown(row: Return) -> None:
    """The answer to the announcement of a return was lost, and the WMS must not get the announcement twice."""
    order = row.wms_order.order
    OUTCOME_UNKNOWN.open(
        row.subject,
        shop=order.shop.domain,
        title=f"Does {row.wms_order.warehouse.connection.slug} expect the return of order {order}?",
        meaning="We announced the return, but the answer was lost. This WMS must not get the same announcement twice, "
        "so nothing more is sent until you decide.",
        action="Look for the return in the WMS. Then open the return in the console and choose «It is there as …» or, "
        "once the time that its page names has come, «It is not there».",
    )


def return_refused(row: Return, *, reason: str) -> None:
    """The WMS did not take the announcement of a return."""
    order = row.wms_order.order
    RETURN_REFUSED.open(
        order.subject,
        shop=order.shop.domain,
        title=f"The WMS did not accept the return of order {order}",
        meaning=f"The warehouse does not expect these goods. The WMS said: {reason[:500]}",
        action="Announce the return to the warehouse by hand. Then close this alert.",
    )


def return_received(order: Order, parent: Return, *, goods: str, further: bool, twin: str) -> None:
    """Goods came back.

    `further`: there are more of them than we had recorded. `twin`: the name of another order that has a return with
    this ID, or "".
    """
    ambiguity = f" A return of order {twin} has the same ID {parent.remote_id}." if twin else ""
    RETURN_RECEIVED.open(
        parent.subject,
        shop=order.shop.domain,
        title=f"{'More goods' if further else 'Goods'} of order {order} came back to the warehouse",
        meaning=f"In all, these goods came back: {goods or 'none'}. The WMS has booked them, and our stock follows "
        f"with the WMS's own callbacks.{ambiguity}",
        action="Refund the customer in Shopify if a refund is due, then close this alert.",
        again=further,
    )


def return_contradicted(order: Order, parent: Return, *, contradictions: Sequence[str], older: bool) -> None:
    """A known return was reported again with other goods. `older`: the new report is older than the recorded one."""
    RETURN_CONTRADICTED.open(
        parent.subject,
        shop=order.shop.domain,
        title=f"A return of order {order} was reported again with other goods",
        meaning=f"The return {parent.remote_id} was recorded before. {'An older' if older else 'Another'} report "
        f"says {'; '.join(contradictions)}. What was recorded stays as it is.",
        action="Ask the warehouse what really came back. Refund in Shopify what is due, then close this alert.",
    )


def unknown_return(*, subject: Subject, remote_id: str, wms_order: str) -> None:
    """Goods of an order that we do not know came back, and nobody had announced them."""
    UNKNOWN_RETURN.open(
        subject,
        shop=None,
        title=f"A return arrived that nobody announced: {remote_id}",
        meaning=f"The warehouse says that it belongs to its order {wms_order}, which we do not know.",
        action="Find out with the warehouse whose goods these are, and correct this in Shopify by hand. Then close "
        "this alert.",
    )
