"""The alerts about orders that go to no warehouse, or whose Shopify location is not that of their warehouse."""

from __future__ import annotations

from collections.abc import Sequence

from fulfillment.models import Order, WmsOrder
from ops.alerting.kinds import AlertKind, Closes
from ops.models import Severity

NO_WAREHOUSE = AlertKind("no_warehouse", closes=Closes.ITSELF, severity=Severity.CRITICAL)
CUSTOM_LINE = AlertKind("custom_line", closes=Closes.ITSELF)
PRODUCT_DELETED = AlertKind("product_deleted", closes=Closes.ITSELF)
MOVE_REFUSED = AlertKind("move_refused", closes=Closes.ITSELF_OR_PERSON)

NOT_ROUTED = (NO_WAREHOUSE, CUSTOM_LINE, PRODUCT_DELETED)
"""No warehouse can be given the order."""


def no_warehouse(order: Order) -> None:
    """No warehouse of the shop can send the order; the order's reason says why."""
    NO_WAREHOUSE.open(
        order.subject,
        shop=order.shop.domain,
        cause=order.subject,
        title=f"No warehouse can send order {order}",
        meaning=f"The order waits. {order.reason_detail}",
        action="Remove one of these causes (stock, item code, country, mapping, pause or capacity). The order then "
        "continues by itself.",
    )


def product_deleted(order: Order, *, items: Sequence[str]) -> None:
    """The product of a line was deleted in Shopify, and the SKU of the line is mapped for no variant or for several."""
    PRODUCT_DELETED.open(
        order.subject,
        shop=order.shop.domain,
        title=f"A product of order {order} was deleted in Shopify",
        meaning=f"Shopify no longer has a product for {', '.join(items)}. The SKU is mapped for no variant, or for "
        "several, so we do not know the item. The whole order waits.",
        action="If the item is still in a warehouse, map its SKU to it (SKU mappings, Add; the variant ID may be the "
        "old one, or that of the product that replaced it). The order then continues by itself. Otherwise refund the "
        "line in Shopify.",
    )


def custom_line(order: Order) -> None:
    """The order has a line without a product."""
    CUSTOM_LINE.open(
        order.subject,
        shop=order.shop.domain,
        title=f"Order {order} has a line without a product",
        meaning="A custom line is not an item that a warehouse knows. The whole order waits.",
        action="Edit the order in Shopify: replace the line by a product, or remove it and send it by hand. The order "
        "then continues by itself.",
    )


def move_refused(row: WmsOrder, *, said: str) -> None:
    """Shopify did not move an order to the location of the warehouse that sends it. `said`: Shopify's own words."""
    order = row.order
    MOVE_REFUSED.open(
        order.subject,
        shop=order.shop.domain,
        title=f"Shopify did not move order {order} to {row.warehouse.place}",
        meaning="The warehouse ships the order in any case, but Shopify counts its stock at another location. Shopify "
        f"said: {said}",
        action="Check in Shopify that the location stocks the products, and move the order there by hand.",
    )
