"""The webhook topics: to which we subscribe, how the subject of a body is found, and as which event it is enqueued."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ops.queue.kinds import EventKind
from ops.refs import Subject
from shops.api.gids import id_in, number_or_none
from shops.ids import ShopPk
from shops.jobs import UNHANDLED, WebhookPayload, webhook
from shops.refs import shop_pk_subject, webhook_subject

Body = Mapping[str, Any]
Reader = Callable[[Body], tuple[str, int | None]]
"""What a body is about: its name, and Shopify's id of it."""


@dataclass(frozen=True)
class Topic:
    """One webhook topic: its name, its name in the GraphQL enum, whether we handle it, and how its subject is found."""

    name: str
    enum: str
    handled: bool
    subject: Reader

    @property
    def event(self) -> EventKind[WebhookPayload]:
        """The event as which its webhooks are enqueued."""
        return webhook(self.name) if self.handled else UNHANDLED


def _own(name: str) -> Reader:
    """The body is the thing itself."""
    return lambda body: (name, id_in(body))


def _order_of(body: Body) -> tuple[str, int | None]:
    """For bodies that belong to an order: refunds, fulfilments, returns."""
    order = body.get("order")
    if isinstance(order, dict):
        return _own("order")(order)
    return "order", number_or_none(body.get("order_id"))


def _edited_order(body: Body) -> tuple[str, int | None]:
    edit = body.get("order_edit")
    return "order", number_or_none(edit.get("order_id")) if isinstance(edit, dict) else None


def _fulfillment_order(body: Body) -> tuple[str, int | None]:
    """For bodies that name only fulfilment orders, under one of several keys; `fulfillment` then finds the order."""
    merged = body.get("fulfillment_order_merges")
    for holder in (body, merged if isinstance(merged, dict) else {}):
        for key in ("fulfillment_order", "original_fulfillment_order"):
            found = holder.get(key)
            if isinstance(found, dict):
                return "fulfillment_order", number_or_none(found.get("id"))
    return "fulfillment_order", number_or_none(body.get("fulfillment_order_id"))


def _inventory_item(body: Body) -> tuple[str, int | None]:
    return "inventory_item", number_or_none(body.get("inventory_item_id"))


def _shop(_: Body) -> tuple[str, int | None]:
    return "shop", None


_WANTED: dict[str, Reader] = {
    "app/uninstalled": _shop,
    "orders/create": _own("order"),
    "orders/updated": _own("order"),
    "orders/paid": _own("order"),
    "orders/edited": _edited_order,
    "orders/cancelled": _own("order"),
    "orders/fulfilled": _own("order"),
    "orders/partially_fulfilled": _own("order"),
    "refunds/create": _order_of,
    "fulfillments/create": _order_of,
    "fulfillments/update": _order_of,
    "fulfillment_orders/order_routing_complete": _fulfillment_order,
    "fulfillment_orders/placed_on_hold": _fulfillment_order,
    "fulfillment_orders/hold_released": _fulfillment_order,
    "fulfillment_orders/moved": _fulfillment_order,
    "fulfillment_orders/split": _fulfillment_order,
    "fulfillment_orders/merged": _fulfillment_order,
    "fulfillment_orders/cancelled": _fulfillment_order,
    "fulfillment_orders/rescheduled": _fulfillment_order,
    "fulfillment_orders/scheduled_fulfillment_order_ready": _fulfillment_order,
    "fulfillment_holds/added": _fulfillment_order,
    "fulfillment_holds/released": _fulfillment_order,
    "products/update": _own("product"),
    "products/delete": _own("product"),
    "inventory_items/update": _own("inventory_item"),
}

# Privacy requests are not in the enum: whoever makes the app sets their address in Shopify's Dev Dashboard.
_COMPLIANCE: dict[str, Reader] = {
    "customers/data_request": _shop,
    "customers/redact": _shop,
    "shop/redact": _shop,
}

_KNOWN: dict[str, Reader] = {
    "orders/delete": _own("order"),
    "returns/request": _order_of,
    "returns/approve": _order_of,
    "returns/close": _order_of,
    "inventory_levels/update": _inventory_item,
    "locations/deactivate": _own("location"),
    "bulk_operations/finish": _own("bulk_operation"),
}

TOPICS: dict[str, Topic] = {
    name: Topic(name, name.replace("/", "_").upper(), handled, subject)
    for topics, handled in ((_WANTED, True), (_COMPLIANCE, True), (_KNOWN, False))
    for name, subject in topics.items()
}

SUBSCRIBED: tuple[str, ...] = tuple(_WANTED)


def event_of(topic: str) -> EventKind[WebhookPayload]:
    """Return the event as which a webhook is enqueued: `UNHANDLED` for a topic that we do not know or handle."""
    known = TOPICS.get(topic)
    return known.event if known else UNHANDLED


def subject_of(topic: str, body: Body, *, shop_pk: ShopPk) -> Subject:
    """What a webhook is about, e.g. "order:<shop id>:<order id>"; "shop:<shop id>" when it does not say."""
    known = TOPICS.get(topic)
    name, number = known.subject(body) if known else ("shop", None)
    return shop_pk_subject(shop_pk) if number is None else webhook_subject(name, shop_pk, number)
