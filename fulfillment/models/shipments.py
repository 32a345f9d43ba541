"""Tables of what left the warehouses."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from fulfillment.models.states import ShipmentState
from fulfillment.refs import ShipmentPk, shipment_subject
from ops.refs import Subject
from shops.ids import FulfillmentId
from wms.ids import ConnectionPk, RemoteOrderId, RemoteShipmentId
from wms.models import Connection


class Shipment(models.Model):
    """Goods that a WMS reported as sent together. They become one Shopify fulfilment, or several."""

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
    resumed_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The shipment went on to Shopify again at this time, after it was held or more of it was reported. "
        "It is empty if it was never stopped.",
        db_column="went_on_at",
    )
    attempt_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The last try to make a fulfilment in Shopify began at this time; it is empty before the first.",
    )
    counted_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="It became known at this time which units of the shipment Shopify has in fulfilments. A reading of "
        "the order that was asked for later shows them. It is empty before.",
    )
    subtracted_from = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The order was read at this time, and the units of this shipment's fulfilment were taken off what it "
        "asked for then. It is empty if they were not.",
    )
    held_fingerprint = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="This is a fingerprint of what Shopify asked for when the shipment was held. If it changes, we try "
        "again.",
        db_column="held_for",
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
        """The subject of jobs and alerts about this shipment."""
        return shipment_subject(ConnectionPk(self.connection_id), self.wms_shipment_id)

    @property
    def numbers(self) -> list[str]:
        """All its tracking numbers."""
        return self.tracking_numbers or ([self.tracking_number] if self.tracking_number else [])


class ShipmentLine(models.Model):
    """Units of one WMS item in a shipment, as the WMS reported them."""

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
    """WMS item units of a shipment, counted on one line of its WMS order. The ids give the order of counting."""

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
    """Shopify units of one order line that a shipment completes. Its fulfilments consist of them."""

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
    fulfilled = models.PositiveIntegerField(
        default=0,
        db_default=0,
        help_text="Shopify has a fulfilment of this many of the units.",
        db_column="told",
    )
    unwanted = models.PositiveIntegerField(
        default=0,
        db_default=0,
        help_text="This many of the units are held because Shopify no longer asks for them.",
    )
    sent_again = models.PositiveIntegerField(
        default=0,
        db_default=0,
        help_text="A person decided to send this many of the units once more, so no fulfilment of this shipment has "
        "them.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["shipment", "order_line"], name="shipment_unit_is_one_per_line"),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="shipment_unit_quantity_is_positive"),
            models.CheckConstraint(
                condition=Q(quantity__gte=F("fulfilled") + F("sent_again")),
                name="shipment_unit_tells_no_more_than_left",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} of line {self.order_line_id}"

    @property
    def unfulfilled(self) -> int:
        """Units that still need a fulfilment at Shopify."""
        return self.quantity - self.fulfilled - self.sent_again
