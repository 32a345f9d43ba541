"""The alerts about shipments: units that Shopify does not accept, and what a WMS reports wrongly or not at all."""

from __future__ import annotations

from collections.abc import Sequence

from fulfillment.models import Order, Shipment, WmsOrder
from ops.alerting.kinds import AlertKind, Closes
from ops.models import Severity

SHIPMENT_HELD = AlertKind("shipment_held", closes=Closes.ITSELF, severity=Severity.CRITICAL)
SHIPMENT_CONTRADICTED = AlertKind(
    "shipment_contradicted", closes=Closes.ITSELF_OR_PERSON, severity=Severity.CRITICAL
)
FULFILLMENT_CANCELLED = AlertKind("fulfillment_cancelled", closes=Closes.ITSELF, severity=Severity.CRITICAL)
TRACKING_UNUSABLE = AlertKind("tracking_unusable", closes=Closes.ITSELF_OR_PERSON)
SHIPMENT_MISSING = AlertKind("shipment_missing", closes=Closes.ITSELF)
SHIPMENT_INCOMPLETE = AlertKind("shipment_incomplete", closes=Closes.ITSELF_OR_PERSON)

REPORT_MISSING = (SHIPMENT_MISSING, SHIPMENT_INCOMPLETE)
"""The WMS says that an order is shipped, but did not report all of it as shipments."""


def shipment_held(order: Order, shipment: Shipment, *, reason: str, partly_fulfilled: bool) -> None:
    """Shopify does not accept some units of a shipment. `reason`: which units, and why."""
    SHIPMENT_HELD.open(
        shipment.subject,
        shop=order.shop.domain,
        title=f"{'Part of a shipment' if partly_fulfilled else 'A shipment'} of order {order} cannot be reported to "
        "Shopify",
        meaning=f"The shipment {shipment.wms_shipment_id} left, but the customer gets no message about these units: "
        f"{reason}. "
        + (
            "The other units were reported to Shopify."
            if partly_fulfilled
            else "Any other units of the shipment are reported to Shopify."
        ),
        action="Look at the order in Shopify. If it is on hold there, or its fulfilment order is not open, release or "
        "open it: the shipment is then reported by itself. If the order was fulfilled by hand, or the warehouse sent "
        "items that nobody ordered, settle that with the customer, then choose «Nothing more to tell» on the shipment. "
        "Do not add units to the order in Shopify: they would be sent once more.",
    )


def shipment_id_reused(order: Order, shipment: Shipment, *, items: str, why: str) -> None:
    """A shipment has the ID of another order's shipment, so one of the two reports may be wrong."""
    SHIPMENT_HELD.open(
        shipment.subject,
        shop=order.shop.domain,
        title=f"A shipment of order {order} has the ID of another order's shipment",
        meaning=f"Nothing of this shipment ({items}) is counted or reported to Shopify, because {why}.",
        action="Ask the warehouse whether these are two shipments. If they are, choose «Look again» on this one: it "
        "is then counted and reported to Shopify. If one of the reports was wrong, correct the other order in "
        "Shopify, then choose «Nothing more to tell».",
    )


def shipment_contradicted(order: Order, shipment: Shipment, *, before: str, problems: Sequence[str]) -> None:
    """A known shipment was reported again with other content."""
    SHIPMENT_CONTRADICTED.open(
        shipment.subject,
        shop=order.shop.domain,
        title=f"A shipment of order {order} was reported again with other content",
        meaning=f"The shipment {shipment.wms_shipment_id} was first reported with {before}. The new report differs: "
        f"{'; '.join(problems)}. What was counted and reported to Shopify before stays as it is.",
        action="Ask the warehouse what was really in the shipment. If something is missing that Shopify shows as sent, "
        "have it sent and correct the fulfilment in Shopify, then close this alert. If the warehouse corrects its "
        "report, this alert closes by itself.",
    )


def fulfillment_cancelled(order: Order, shipment: Shipment, *, units: str) -> None:
    """A fulfilment of ours was cancelled in Shopify after its shipment left."""
    FULFILLMENT_CANCELLED.open(
        shipment.subject,
        shop=order.shop.domain,
        title=f"A fulfilment of order {order} was cancelled after its shipment left",
        meaning="Somebody cancelled the fulfilment in Shopify. Shopify now shows these units as unfulfilled, but the "
        f"shipment {shipment.wms_shipment_id} left with them: {units}. Nothing is sent or reported a second time by "
        "itself.",
        action="If the shipment arrived, or is on its way, choose «Tell Shopify again» on it. If it is lost or "
        "came back, and the customer still wants the goods, choose «Send again»: a warehouse then sends them once "
        "more. Otherwise choose «Nothing more to tell».",
    )


def tracking_unusable(order: Order, shipment: Shipment, *, unusable: Sequence[str]) -> None:
    """The WMS reported a tracking number or link that we cannot give to Shopify. `unusable`: what, and why."""
    TRACKING_UNUSABLE.open(
        shipment.subject,
        shop=order.shop.domain,
        title=f"The tracking of a shipment of order {order} cannot be used",
        meaning=f"The shipment {shipment.wms_shipment_id} is reported to Shopify without this tracking: "
        f"{'; '.join(unusable)}.",
        action="Ask the warehouse for the right number or link, and have it report the shipment again with the same "
        "ID: this alert then closes by itself. Or enter the tracking in Shopify, then close this alert.",
    )


def shipment_missing(row: WmsOrder) -> None:
    """The WMS says that an order is shipped, but reported no shipment."""
    SHIPMENT_MISSING.open(
        row.subject,
        shop=row.order.shop.domain,
        title=f"{row.warehouse.place} says that order {row.order} is shipped, but reported no shipment",
        meaning="The customer has no tracking number, and Shopify shows the order as unfulfilled.",
        action="Ask the people who run the WMS to send the shipment callback of this order again.",
    )


def shipment_incomplete(row: WmsOrder, *, shipped: int, asked: int) -> None:
    """The WMS says that an order is shipped, but its shipments do not contain all units."""
    SHIPMENT_INCOMPLETE.open(
        row.subject,
        shop=row.order.shop.domain,
        title=f"{row.warehouse.place} says that order {row.order} is shipped, but reported only a part of it",
        meaning=f"The reported shipments contain {shipped} of {asked} units. Shopify shows the rest as unfulfilled.",
        action="Ask the people who run the WMS to send all shipment callbacks of this order again. If the warehouse "
        "really sent less, correct that in Shopify (refund the rest, or send it anew), then close this alert.",
    )
