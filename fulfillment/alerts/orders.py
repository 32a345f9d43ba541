"""The alerts about changes of an order at Shopify, and about orders that Shopify does not show."""

from __future__ import annotations

from collections.abc import Sequence

from fulfillment.models import Order
from fulfillment.models.states import Reason
from ops.alerting.kinds import AlertKind, Closes
from ops.models import Severity
from ops.refs import Subject
from shops.ids import ShopifyOrderId
from shops.models import Shop

ORDER_UNREADABLE = AlertKind("order_unreadable", closes=Closes.ITSELF_OR_PERSON)
BACKFILL_FAILED = AlertKind("backfill_failed", closes=Closes.ITSELF)
ORDER_HELD_BACK = AlertKind("order_held_back", closes=Closes.ITSELF)
ORDER_ADDRESS_CHANGED = AlertKind("order_address_changed", closes=Closes.PERSON)
ORDER_EDITED = AlertKind("order_edited", closes=Closes.ITSELF)
ORDER_MOVED = AlertKind("order_moved", closes=Closes.ITSELF)


def order_unreadable(shop: Shop, *, subject: Subject, shopify_order_id: ShopifyOrderId) -> None:
    """Shopify names an order in a webhook, but does not show it to us."""
    ORDER_UNREADABLE.open(
        subject,
        shop=shop.domain,
        title=f"Shopify does not show order {shopify_order_id} of {shop.domain}",
        meaning="Either the order was deleted, or it is older than 60 days and the app has no scope read_all_orders. "
        "Nothing more is done with it.",
        action="Look for the order in Shopify. If it exists, grant the scope read_all_orders and choose «Read again at "
        "Shopify». If it was deleted, close this alert.",
    )


def backfill_failed(shop: Shop, *, subject: Subject, feed: str, error: str) -> None:
    """Shopify refuses to list what changed. `feed`: "orders" or "fulfillment orders"."""
    BACKFILL_FAILED.open(
        subject,
        shop=shop.domain,
        title=f"Shopify does not let us look for missed changes of {shop.domain} ({feed})",
        meaning="If a webhook is lost, we do not learn of its change. Webhooks that arrive are processed as usual. "
        f"Shopify said: {error[:500]}",
        action="Usually the app lacks a scope, or the API version is retired. Give the app its scopes. We try again "
        "every few minutes and continue where we stopped.",
    )


def order_without_location(order: Order) -> None:
    """Shopify names no location for the order, so we cannot tell whether it is ours."""
    ORDER_HELD_BACK.open(
        order.subject,
        shop=order.shop.domain,
        title=f"Shopify names no location for order {order}",
        meaning="We cannot tell whether one of our warehouses has to send this order, so none does. The customer is "
        "waiting.",
        action="Assign the fulfilment order to a location in Shopify. The order then continues by itself. If Shopify "
        "shows a location already, the app lacks the scope read_locations.",
    )


def order_without_address(order: Order) -> None:
    """The shipping address of the order is not complete."""
    ORDER_HELD_BACK.open(
        order.subject,
        shop=order.shop.domain,
        title=f"Order {order} has no complete shipping address",
        meaning="No warehouse can send this order. The customer is waiting.",
        action="Complete the address in Shopify (name, street and country). The order then continues by itself. If "
        "Shopify shows a complete address already, the app lacks access to protected customer data.",
    )


def order_held_back(order: Order, *, reason: Reason, detail: str) -> None:
    """A warehouse already has units that must not be sent for now."""
    ORDER_HELD_BACK.open(
        order.subject,
        shop=order.shop.domain,
        severity=Severity.CRITICAL,
        title=f"Order {order} must not be sent for now, but it already went to the warehouse: {reason.label}",
        meaning="The warehouse has the order, or may have it, and will ship it in spite of this change in Shopify. "
        f"{detail}".strip(),
        action="If the order must not ship, ask the warehouse to stop it, or cancel the order in Shopify.",
    )


def order_address_changed(order: Order) -> None:
    """The shipping address changed after the order went to a warehouse."""
    ORDER_ADDRESS_CHANGED.open(
        order.subject,
        shop=order.shop.domain,
        title=f"The address of order {order} changed after it went to the warehouse",
        meaning="The warehouse has the old address and will send the parcel there.",
        action="Give the warehouse the new address before it packs the parcel. Then close this alert.",
    )


def order_edited(order: Order, *, causes: str, details: Sequence[str], by_hand: bool) -> None:
    """A warehouse works on units that Shopify no longer asks for.

    `causes`: which units, and why. `details`: sentences about where they are and what is done about them. `by_hand`:
    only a person can stop some of them.
    """
    ORDER_EDITED.open(
        order.subject,
        shop=order.shop.domain,
        severity=Severity.CRITICAL if by_hand else Severity.WARNING,
        title=f"A warehouse works on units of order {order} that Shopify no longer asks for",
        meaning=f"{causes} Unless these units are stopped, the customer gets more than they want, or gets it twice. "
        f"{' '.join(details)}",
        action="Speak with the warehouse. Only the warehouse can stop these units, or expect them back as a return. "
        "This alert closes when there are no such units any more."
        if by_hand
        else "You need not do anything while the WMS is being asked. This alert closes when the WMS agrees, and tells "
        "you when it does not.",
    )


def order_moved(order: Order, *, details: Sequence[str]) -> None:
    """An order was moved in Shopify to another location of ours after a warehouse got it.

    `details`: sentences about which units were moved, and to where.
    """
    ORDER_MOVED.open(
        order.subject,
        shop=order.shop.domain,
        title=f"Order {order} was moved in Shopify after it went to the warehouse",
        meaning=f"{' '.join(details)} The warehouse that has the order will still send it, but Shopify reduces the "
        "stock of the other location.",
        action="Either let the warehouse send the order and move it back in Shopify. Or ask the warehouse to stop it; "
        "when its WMS reports the order as cancelled, choose «Route again» on the order.",
    )
