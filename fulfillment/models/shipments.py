"""Tables of what left the warehouses and what Shopify was told of it."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from fulfillment.models.states import FulfillmentState, ShipmentState
from fulfillment.refs import ShipmentPk, shipment_subject
from ops.refs import Subject
from shops.ids import FulfillmentId
from wms.ids import ConnectionPk, RemoteOrderId, RemoteShipmentId
from wms.models import Connection


class Shipment(models.Model):
    """One consignment the WMS reported; it becomes a Shopify fulfilment, or several where Shopify takes pieces."""

    id: ShipmentPk
    connection = models.ForeignKey(
        Connection,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The shipment was reported by this WMS account.",
    )
    wms_shipment_id: models.CharField[RemoteShipmentId, RemoteShipmentId] = models.CharField(
        "WMS shipment ID",
        max_length=255,
        help_text="The WMS knows the shipment by this number. If another order's shipment has it too, the order's "
        "number is added.",
    )
    remote_order_id: models.CharField[RemoteOrderId, RemoteOrderId] = models.CharField(
        "WMS order reference",
        max_length=255,
        help_text="The WMS reported the shipment for the order that it knows by this number.",
        db_column="wms_order_ref",
    )
    wms_order = models.ForeignKey(
        "fulfillment.WmsOrder",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="shipments",
        verbose_name="WMS order",
        help_text="The shipment belongs to this WMS order; it is empty if we do not know the order.",
    )
    state = models.CharField(
        max_length=12,
        choices=ShipmentState.choices,
        default=ShipmentState.RECEIVED,
        help_text="This says how far the shipment is on its way to being a fulfilment in Shopify.",
    )
    reason = models.TextField(
        blank=True,
        default="",
        help_text="This says why the shipment is held or waits for a person; it is empty if it is not.",
    )
    tracking_number = models.CharField(
        max_length=255,
        blank=True,
        default="",
        help_text="This is the first tracking number; it is empty if the WMS gave none.",
    )
    tracking_numbers = ArrayField(
        models.CharField(max_length=255),
        blank=True,
        default=list,
        db_default=[],
        help_text="These are all tracking numbers that the WMS gave.",
    )
    tracking_urls = ArrayField(
        models.TextField(),
        blank=True,
        default=list,
        db_default=[],
        verbose_name="tracking URLs",
        help_text="The parcels can be followed at these addresses, which the WMS gave.",
    )
    carrier_code = models.CharField(
        max_length=1000,
        blank=True,
        default="",
        help_text="The WMS calls the carrier by this name or code; it is empty if it names none.",
    )
    warehouse_code = models.CharField(
        max_length=1000,
        blank=True,
        default="",
        db_default="",
        help_text="The WMS said that the goods left from the warehouse with this code; it is empty if it did not "
        "say.",
    )
    shipped_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The WMS said that the goods left at this time; it is empty if it did not say.",
    )
    reported_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The WMS made its newest report of the shipment at this time, by its own clock.",
    )
    emitted_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The WMS made its first report at this time, by its own clock, or by ours where its clock is "
        "ahead.",
    )
    received_at = models.DateTimeField(db_default=Now(), help_text="We recorded the shipment at this time.")
    went_on_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="We were to tell Shopify (again) from this time on, because the shipment was held or more of it "
        "was reported. It is empty if it was never stopped.",
    )
    attempt_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The last try to tell Shopify began at this time; it is empty before the first.",
    )
    held_for = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="This is a fingerprint of what Shopify asked for when the shipment was held. If it changes, we try "
        "again.",
    )
    shopify_fulfillment_id: models.BigIntegerField[FulfillmentId | None, FulfillmentId | None] = (
        models.BigIntegerField(
            "Shopify fulfilment ID",
            null=True,
            blank=True,
            unique=True,
            help_text="Shopify knows the fulfilment by this number; of several it is the first that still stands.",
        )
    )
    fulfilled_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="We first recorded a fulfilment of the shipment in Shopify at this time; it is empty until then.",
    )
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="This person last decided what becomes of the shipment; it is empty if nobody had to.",
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
            models.Index(fields=["remote_order_id"], name="shipment_order_ref"),
            models.Index(fields=["tracking_number"], name="shipment_tracking"),
            GinIndex(fields=["tracking_numbers"], name="shipment_all_tracking"),
            models.Index(fields=["fulfilled_at"], name="shipment_fulfilled"),
        ]

    def __str__(self) -> str:
        return self.wms_shipment_id

    @property
    def subject(self) -> Subject:
        """What alerts about it are filed under."""
        return shipment_subject(ConnectionPk(self.connection_id), self.wms_shipment_id)

    @property
    def numbers(self) -> list[str]:
        """All its tracking numbers."""
        return self.tracking_numbers or ([self.tracking_number] if self.tracking_number else [])


class ShipmentLine(models.Model):
    """Units of one WMS item in a shipment, as reported."""

    shipment = models.ForeignKey(
        Shipment,
        on_delete=models.CASCADE,
        related_name="lines",
        help_text="The line belongs to this shipment.",
    )
    item_code = models.CharField(max_length=255, help_text="The WMS knows the item by this code.")
    quantity = models.PositiveIntegerField(help_text="The WMS reported this many units in the shipment.")
    counted = models.PositiveIntegerField(
        default=0, db_default=0, help_text="This many of the units belong to the WMS order; the rest is held."
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

    shipment = models.ForeignKey(
        Shipment,
        on_delete=models.CASCADE,
        related_name="counts",
        help_text="The units left with this shipment.",
    )
    wms_order_line = models.ForeignKey(
        "fulfillment.WmsOrderLine",
        on_delete=models.CASCADE,
        related_name="counts",
        verbose_name="WMS order line",
        help_text="The units were counted on this line of the WMS order.",
    )
    quantity = models.PositiveIntegerField(help_text="This many units were counted, as the WMS counts them.")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gte=1), name="shipment_count_quantity_is_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} of WMS order line {self.wms_order_line_id}"


class ShipmentUnit(models.Model):
    """Shopify units of one order line that a shipment completes: what its fulfilments say."""

    shipment = models.ForeignKey(
        Shipment,
        on_delete=models.CASCADE,
        related_name="units",
        help_text="The units were complete once this shipment had left.",
    )
    order_line = models.ForeignKey(
        "fulfillment.OrderLine",
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The units are of this line of the Shopify order.",
    )
    quantity = models.PositiveIntegerField(
        help_text="The shipment completes this many units, as Shopify counts them."
    )
    told = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Shopify has a fulfilment of this many of the units."
    )
    unwanted = models.PositiveIntegerField(
        default=0,
        db_default=0,
        help_text="This many of the units are held because Shopify no longer asks for them.",
    )
    sent_again = models.PositiveIntegerField(
        default=0,
        db_default=0,
        help_text="A person had this many of the units sent once more, so Shopify is not told that they left with "
        "this shipment.",
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

    shipment = models.ForeignKey(
        Shipment,
        on_delete=models.CASCADE,
        related_name="fulfillments",
        help_text="The call told Shopify of this shipment.",
    )
    state = models.CharField(
        max_length=12,
        choices=FulfillmentState.choices,
        default=FulfillmentState.TELLING,
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
