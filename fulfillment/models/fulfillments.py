"""The table of the calls that make fulfilments at Shopify."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from fulfillment.models.shipments import Shipment
from fulfillment.models.states import FulfillmentState
from shops.ids import FulfillmentId


class Fulfillment(models.Model):
    """One call that makes a fulfilment of a shipment, recorded before the call is made."""

    shipment = models.ForeignKey(
        Shipment,
        on_delete=models.CASCADE,
        related_name="fulfillments",
        help_text="The call reported this shipment to Shopify.",
    )
    state = models.CharField(
        max_length=12,
        choices=FulfillmentState.choices,
        default=FulfillmentState.IN_FLIGHT,
        help_text="This says what is known of the call, and whether its fulfilment still stands.",
    )
    units = models.JSONField(
        help_text="This says how many Shopify units the fulfilment has of each order line, by Shopify's number of "
        "the line."
    )
    tracking = models.JSONField(help_text="This is the tracking that Shopify was given for the fulfilment.")
    attempt_at = models.DateTimeField(
        db_default=Now(), help_text="The call was recorded at this time, just before it was made."
    )
    shopify_fulfillment_id: models.BigIntegerField[FulfillmentId | None, FulfillmentId | None] = (
        models.BigIntegerField(
            "Shopify fulfilment ID",
            null=True,
            blank=True,
            unique=True,
            help_text="Shopify knows the fulfilment by this number; it is empty if we know of none.",
        )
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=FulfillmentState.values), name="fulfillment_state_is_known"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["told", "cancelled"]) | Q(shopify_fulfillment_id__isnull=False),
                name="fulfillment_that_was_told_has_its_id",
            ),
            models.UniqueConstraint(
                fields=["shipment"], condition=Q(state="telling"), name="fulfillment_is_told_one_at_a_time"
            ),
        ]

    def __str__(self) -> str:
        return str(self.shopify_fulfillment_id or self.state)
