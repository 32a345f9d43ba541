"""Tables of Shopify's fulfilment orders: what it asks to be sent, and from where."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from fulfillment.models.orders import Order, OrderLine
from shops.ids import FulfillmentOrderId, FulfillmentOrderLineId, LocationId


class FulfillmentOrder(models.Model):
    """Shopify's request to send goods from one location, as we last read it. Its id may change, so nothing is tied to
    it, and a call that names it must bear a refusal."""

    order = models.ForeignKey(
        Order,
        on_delete=models.CASCADE,
        related_name="fulfillment_orders",
        help_text="The fulfilment order is a part of this order.",
    )
    shopify_fulfillment_order_id: models.BigIntegerField[FulfillmentOrderId, FulfillmentOrderId] = (
        models.BigIntegerField(
            "Shopify fulfilment order ID",
            help_text="Shopify knows the fulfilment order by this number, which may change when work is moved or "
            "split.",
        )
    )
    status = models.CharField(
        max_length=40,
        help_text="This is Shopify's word for the state of the work, for example OPEN, ON_HOLD or CLOSED.",
    )
    request_status = models.CharField(
        max_length=40,
        blank=True,
        default="",
        help_text="This is Shopify's word for whether a fulfilment service was asked to do the work, and agreed.",
    )
    location_id: models.BigIntegerField[LocationId | None, LocationId | None] = models.BigIntegerField(
        "Shopify location ID",
        null=True,
        blank=True,
        help_text="Shopify wants the goods sent from the location with this number; it is empty if it names none.",
    )
    is_ours = models.BooleanField(
        default=True,
        db_default=True,
        help_text="This is set if the location was ours when the order was last read.",
    )
    at_foreign_service = models.BooleanField(
        default=False, help_text="This is set if the work belongs to a fulfilment service that is not ours."
    )
    delivery_method = models.CharField(
        max_length=40,
        blank=True,
        default="",
        help_text="This is Shopify's word for how the goods reach the customer, for example SHIPPING.",
    )
    fulfill_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Shopify wants the work done from this time on; it is empty if there is no date.",
    )
    hold_reason = models.CharField(
        max_length=255,
        blank=True,
        default="",
        help_text="Shopify holds the work back for these reasons; it is empty if nothing holds it back.",
    )
    shopify_updated_at = models.DateTimeField(
        "last changed at Shopify",
        null=True,
        blank=True,
        help_text="We know all changes that were made to the fulfilment order up to this time.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["order", "shopify_fulfillment_order_id"], name="fulfillment_order_is_stored_once"
            ),
        ]
        indexes = [
            models.Index(fields=["shopify_fulfillment_order_id"], name="fulfillment_order_shopify_id"),
            models.Index(
                fields=["location_id", "order"],
                name="fulfillment_order_elsewhere",
                condition=Q(is_ours=False, status__in=["OPEN", "IN_PROGRESS", "SCHEDULED", "ON_HOLD"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.shopify_fulfillment_order_id} {self.status}"


class FulfillmentOrderLine(models.Model):
    """The units of one order line that a fulfilment order asks for, in Shopify units."""

    fulfillment_order = models.ForeignKey(
        FulfillmentOrder,
        on_delete=models.CASCADE,
        related_name="lines",
        help_text="The line belongs to this fulfilment order.",
    )
    shopify_line_id: models.BigIntegerField[FulfillmentOrderLineId, FulfillmentOrderLineId] = (
        models.BigIntegerField(
            "Shopify line ID", help_text="Shopify knows this line of the fulfilment order by this number."
        )
    )
    order_line = models.ForeignKey(
        OrderLine,
        on_delete=models.CASCADE,
        related_name="fulfillment_order_lines",
        help_text="The units are of this line of the order.",
    )
    total_quantity = models.PositiveIntegerField(
        help_text="The fulfilment order was made for this many units."
    )
    remaining_quantity = models.PositiveIntegerField(
        help_text="This many of the units are still to be fulfilled."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["fulfillment_order", "shopify_line_id"], name="fulfillment_order_line_is_stored_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.remaining_quantity} of {self.total_quantity}"
