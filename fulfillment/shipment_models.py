"""Tables of what left the warehouses and what Shopify was told of it. Imported by fulfillment.models."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from fulfillment.states import FulfillmentState, ShipmentState
from wms.models import Connection


class Shipment(models.Model):
    """One consignment the WMS reported; it becomes a Shopify fulfilment, or several where Shopify takes pieces."""

    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="+")
    wms_shipment_id = models.CharField("WMS shipment ID", max_length=255)
    wms_order_ref = models.CharField(
        "WMS order reference", max_length=255, help_text="The WMS's id of the order, as reported."
    )
    wms_order = models.ForeignKey(
        "fulfillment.WmsOrder",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="shipments",
        verbose_name="WMS order",
    )
    state = models.CharField(max_length=12, choices=ShipmentState.choices, default=ShipmentState.RECEIVED)
    reason = models.TextField(blank=True, default="")
    tracking_number = models.CharField(max_length=255, blank=True, default="", help_text="The first of them.")
    tracking_numbers = ArrayField(
        models.CharField(max_length=255), blank=True, default=list, db_default=[], help_text="All of them."
    )
    tracking_urls = ArrayField(
        models.TextField(), blank=True, default=list, db_default=[], verbose_name="tracking URLs"
    )
    carrier_code = models.CharField(max_length=1000, blank=True, default="")
    warehouse_code = models.CharField(max_length=1000, blank=True, default="", db_default="")
    shipped_at = models.DateTimeField(null=True, blank=True)
    reported_at = models.DateTimeField(
        null=True, blank=True, help_text="The WMS's time of the newest report."
    )
    emitted_at = models.DateTimeField(
        null=True, blank=True, help_text="The WMS's time of the first report; ours where its clock is ahead."
    )
    received_at = models.DateTimeField(db_default=Now())
    went_on_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When it was to be told (again): it was held, or more of it was reported.",
    )
    attempt_at = models.DateTimeField(null=True, blank=True)
    held_for = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="What Shopify asked for when it was held.",
    )
    shopify_fulfillment_id = models.BigIntegerField(
        "Shopify fulfilment ID", null=True, blank=True, unique=True, help_text="The first one that stands."
    )
    fulfilled_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "wms_shipment_id"], name="shipment_is_one_per_wms_shipment"
            ),
            models.CheckConstraint(
                condition=Q(state__in=ShipmentState.values), name="shipment_state_is_known"
            ),
            models.CheckConstraint(
                condition=~Q(state="fulfilled") | Q(shopify_fulfillment_id__isnull=False),
                name="shipment_fulfilled_has_its_fulfillment",
            ),
            models.CheckConstraint(
                condition=Q(wms_order__isnull=False) | Q(state__in=["received", "held"]),
                name="shipment_of_unknown_order_goes_nowhere",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "received_at"], name="shipment_state"),
            models.Index(fields=["wms_order_ref"], name="shipment_order_ref"),
            models.Index(fields=["tracking_number"], name="shipment_tracking"),
            GinIndex(fields=["tracking_numbers"], name="shipment_all_tracking"),
            models.Index(fields=["fulfilled_at"], name="shipment_fulfilled"),
        ]

    def __str__(self) -> str:
        return self.wms_shipment_id

    @property
    def numbers(self) -> list[str]:
        """All its tracking numbers."""
        return self.tracking_numbers or ([self.tracking_number] if self.tracking_number else [])


class ShipmentLine(models.Model):
    """Units of one WMS item in a shipment, as reported."""

    shipment = models.ForeignKey(Shipment, on_delete=models.CASCADE, related_name="lines")
    item_code = models.CharField(max_length=255)
    quantity = models.PositiveIntegerField()
    counted = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Units that belong to the WMS order; the rest is held."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["shipment", "item_code"], name="shipment_line_is_one_per_item"),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="shipment_line_quantity_is_positive"),
            models.CheckConstraint(
                condition=Q(counted__lte=F("quantity")), name="shipment_line_counts_no_more_than_reported"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.item_code}"


class ShipmentCount(models.Model):
    """WMS item units of a shipment, counted on one line of its WMS order. Their ids tell in which order."""

    shipment = models.ForeignKey(Shipment, on_delete=models.CASCADE, related_name="counts")
    wms_order_line = models.ForeignKey(
        "fulfillment.WmsOrderLine",
        on_delete=models.CASCADE,
        related_name="counts",
        verbose_name="WMS order line",
    )
    quantity = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gte=1), name="shipment_count_quantity_is_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} of WMS order line {self.wms_order_line_id}"


class ShipmentUnit(models.Model):
    """Shopify units of one order line that a shipment completes: what its fulfilments say."""

    shipment = models.ForeignKey(Shipment, on_delete=models.CASCADE, related_name="units")
    order_line = models.ForeignKey("fulfillment.OrderLine", on_delete=models.PROTECT, related_name="+")
    quantity = models.PositiveIntegerField()
    told = models.PositiveIntegerField(default=0, db_default=0, help_text="Shopify has a fulfilment of them.")
    unwanted = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Held, and Shopify no longer asks for them."
    )
    sent_again = models.PositiveIntegerField(
        default=0, db_default=0, help_text="A person had them sent once more: not to be told any more."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["shipment", "order_line"], name="shipment_unit_is_one_per_line"),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="shipment_unit_quantity_is_positive"),
            models.CheckConstraint(
                condition=Q(quantity__gte=F("told") + F("sent_again")),
                name="shipment_unit_tells_no_more_than_left",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} of line {self.order_line_id}"

    @property
    def untold(self) -> int:
        """Units that Shopify does not know of and is still to be told."""
        return self.quantity - self.told - self.sent_again


class Fulfillment(models.Model):
    """One call that told Shopify of a shipment, recorded before it was made: one fulfilment, if it came to be."""

    shipment = models.ForeignKey(Shipment, on_delete=models.CASCADE, related_name="fulfillments")
    state = models.CharField(
        max_length=12, choices=FulfillmentState.choices, default=FulfillmentState.TELLING
    )
    units = models.JSONField(help_text="Shopify units by Shopify order line id.")
    tracking = models.JSONField(help_text="FulfillmentTrackingInput, as Shopify has it.")
    attempt_at = models.DateTimeField(db_default=Now())
    shopify_fulfillment_id = models.BigIntegerField(
        "Shopify fulfilment ID", null=True, blank=True, unique=True
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
