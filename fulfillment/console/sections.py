"""The tables that the console's pages consist of. Their cells are plain values, so that no HTML is built in Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Model
from django.urls import reverse

from fulfillment.models import Order, Return, Shipment, WmsOrder
from fulfillment.models.states import OrderState, ReturnState, ShipmentState
from wms.vocabulary.statuses import WmsStatus

PLAIN = "default"
ORDER_TONES: Mapping[str, str] = {
    OrderState.WAITING: "info",
    OrderState.READY: "info",
    OrderState.HELD: "danger",
    OrderState.AT_WAREHOUSE: "primary",
    OrderState.PARTIALLY_SHIPPED: "warning",
    OrderState.SHIPPED: "success",
    OrderState.CANCELLED: PLAIN,
    OrderState.NOTHING_TO_SHIP: PLAIN,
}
WMS_TONES: Mapping[str, str] = {
    WmsStatus.PENDING: PLAIN,
    WmsStatus.SUBMITTING: "info",
    WmsStatus.ACCEPTED: "primary",
    WmsStatus.PICKING: "primary",
    WmsStatus.PACKED: "primary",
    WmsStatus.MANIFESTED: "primary",
    WmsStatus.SHIPPED: "success",
    WmsStatus.PARTIALLY_SHIPPED: "warning",
    WmsStatus.CANCEL_REQUESTED: "warning",
    WmsStatus.CANCELLED: PLAIN,
    WmsStatus.REJECTED: "danger",
    WmsStatus.UNKNOWN: "danger",
}
SHIPMENT_TONES: Mapping[str, str] = {
    ShipmentState.RECEIVED: "info",
    ShipmentState.HELD: "danger",
    ShipmentState.FULFILLING: "warning",
    ShipmentState.FULFILLED: "success",
    ShipmentState.PARTIAL_KIT: "warning",
    ShipmentState.CANCELLED: "danger",
    ShipmentState.CLOSED: PLAIN,
}
RETURN_TONES: Mapping[str, str] = {
    ReturnState.REQUESTING: "info",
    ReturnState.UNKNOWN: "danger",
    ReturnState.OPEN: "primary",
    ReturnState.RECEIVED: "success",
    ReturnState.FAILED: "danger",
}


@dataclass(frozen=True)
class Link:
    """A cell that is a link; `away`: it leads out of the console."""

    text: str
    url: str
    away: bool = False


@dataclass(frozen=True)
class Badge:
    """A cell that shows a state; `tone` is its colour."""

    text: str
    tone: str


Cell = str | int | datetime | Link | Badge | None


@dataclass(frozen=True)
class Section:
    """A table with a title; `empty` is shown if it has no rows."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    empty: str = "None."


def badge(word: str, tones: Mapping[str, str]) -> Badge:
    """A state as a badge, in the same word as in filters and logs."""
    return Badge(words(word), tones[word])


def words(word: str) -> str:
    """The word for a state, as people read it."""
    return word.replace("_", " ")


def by_words(tones: Mapping[str, str]) -> dict[str, str]:
    """Tones by the words that people read, for unfold's `display(label=...)`."""
    return {words(str(word)): tone for word, tone in tones.items()}


def page_of(row: Model) -> str:
    """The address of a row's page in the console."""
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def link(row: Order | WmsOrder | Shipment | Return, text: str = "") -> Link:
    """A link to a row's page in the console."""
    return Link(text or str(row), page_of(row))


def at_shopify(order: Order) -> str:
    """The order's page in Shopify's admin (it redirects to admin.shopify.com)."""
    return f"https://{order.shop.domain}/admin/orders/{order.shopify_order_id}"
