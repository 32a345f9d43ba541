"""Tables of what warehouses are asked to send."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from fulfillment.models.orders import Order, OrderLine
from fulfillment.models.states import ChangeRequest, Outcome
from fulfillment.refs import WmsOrderPk, external_subject
from ops.refs import Subject
from wms.ids import ExternalId, RemoteOrderId
from wms.models import Warehouse
from wms.vocabulary.statuses import AT_THE_WMS, WmsStatus


class WmsOrder(models.Model):
    """The part of an order that one warehouse was asked, or will be asked, to send."""

    id: WmsOrderPk
    order = models.ForeignKey(
        Order,
        on_delete=models.PROTECT,
        related_name="wms_orders",
        help_text="The goods are for this Shopify order.",
    )
    part = models.PositiveSmallIntegerField(
        help_text="The parts of an order are counted from 1; each goes to one warehouse."
    )
    warehouse = models.ForeignKey(
        Warehouse,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="This warehouse is to send the goods.",
    )
    external_id: models.CharField[ExternalId, ExternalId] = models.CharField(
        "external ID",
        max_length=300,
        unique=True,
        help_text="We give the WMS this identifier, which never changes, so that no order is placed twice.",
    )
    remote_id: models.CharField[RemoteOrderId, RemoteOrderId] = models.CharField(
        "WMS order ID",
        max_length=255,
        blank=True,
        default="",
        help_text="The WMS knows the order by this number; it is empty until we know that the WMS has it.",
        db_column="wms_order_id",
    )
    wms_status = models.CharField(
        "WMS status",
        max_length=20,
        choices=WmsStatus.choices,
        default=WmsStatus.PENDING,
        help_text="This says where the order stands at the WMS, or that it was not sent there yet.",
    )
    status_at = models.DateTimeField(
        db_default=Now(), help_text="The order has had this status since this time."
    )
    attempt = models.PositiveIntegerField(
        default=0, help_text="We tried this often to place the order at the WMS."
    )
    attempt_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The last try to place the order began at this time; it is empty before the first.",
    )
    outcome = models.CharField(
        max_length=10,
        choices=Outcome.choices,
        default=Outcome.NONE,
        help_text="This says what is known of the last try to place the order.",
    )
    outcome_detail = models.TextField(
        blank=True,
        default="",
        help_text="This is the reason that the WMS gave when it refused or ended the order.",
    )
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="This person said whether the WMS has the order; it is empty if nobody had to.",
    )
    cancel_requested_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="We have wanted the WMS to cancel the order since this time; it is empty if we never did.",
    )
    change_request = models.CharField(
        max_length=20,
        choices=ChangeRequest.choices,
        default=ChangeRequest.NONE,
        db_default=ChangeRequest.NONE.value,
        help_text="This says what we last asked the WMS after a change in Shopify, and whether it agreed.",
        db_column="wish",
    )
    change_answer = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text="The WMS gave this answer; it is empty if it gave none.",
        db_column="wish_answer",
    )
    reductions = models.PositiveIntegerField(
        default=0,
        db_default=0,
        help_text="We asked the WMS this often to send less. The number tells these requests apart.",
        db_column="changes",
    )
    finished_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The WMS reported at this time, by its own clock, that it sends nothing more of the order; it is "
        "empty until then.",
    )
    remainder_unwanted = models.BooleanField(
        default=False,
        db_default=False,
        help_text="This is set if Shopify no longer asks for the units that were not shipped, so nobody waits for "
        "them.",
        db_column="rest_unwanted",
    )
    at_location_since = models.DateTimeField(
        null=True,
        blank=True,
        help_text="We have known since this time that Shopify wants these goods sent from the warehouse's location; it "
        "is empty until then.",
        db_column="stands_here_since",
    )
    accepted_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="We learned at this time that the WMS has the order; it is empty until then.",
    )
    lag_started_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="We have had these units to send since this time. The time is read from a clock that stops while the "
        "order waits for others. It is empty if the time is not known.",
        db_column="owed_from",
    )
    lag = models.DurationField(
        "submission lag",
        null=True,
        blank=True,
        help_text="This much time passed from the first notice, or from when this part could go, to the WMS's "
        "confirmation. The time that the order waited for Shopify or a person is not counted.",
    )
    look_up_at = models.DateTimeField(
        db_default=Now(),
        editable=False,
        help_text="We ask the WMS about the order at this time, unless it tells us something before.",
    )
    created_at = models.DateTimeField(
        db_default=Now(), editable=False, help_text="We gave the goods to this warehouse at this time."
    )

    class Meta:
        db_table = "wms_order_map"
        verbose_name = "WMS order"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["order", "part"], name="wms_order_is_one_per_part"),
            models.CheckConstraint(
                condition=Q(wms_status__in=WmsStatus.values), name="wms_order_status_is_known"
            ),
            models.CheckConstraint(
                condition=Q(outcome__in=Outcome.values), name="wms_order_outcome_is_known"
            ),
            models.CheckConstraint(
                condition=Q(change_request__in=ChangeRequest.values), name="wms_order_wish_is_known"
            ),
            models.CheckConstraint(
                condition=Q(wms_status=WmsStatus.PENDING.value)
                | Q(wms_status=WmsStatus.CANCELLED.value)
                | Q(attempt__gte=1),
                name="wms_order_attempt_is_recorded_before_the_call",
            ),
        ]
        indexes = [
            models.Index(fields=["remote_id"], name="wms_order_id"),
            models.Index(fields=["warehouse", "created_at"], name="wms_order_capacity"),
            models.Index(fields=["wms_status"], name="wms_order_status"),
            models.Index(fields=["accepted_at"], name="wms_order_accepted"),
            models.Index(
                fields=["look_up_at"], name="wms_order_to_look_up", condition=Q(wms_status__in=AT_THE_WMS)
            ),
        ]

    def __str__(self) -> str:
        return f"part {self.part} of {self.order}, {self.warehouse.place}"

    @property
    def subject(self) -> Subject:
        """The subject of jobs and alerts about this part of the order."""
        return external_subject(self.external_id)

    @property
    def external_ref(self) -> str:
        """The name by which people find it at the WMS: the order's name; later parts have their number behind it."""
        return self.order.name if self.part == 1 else f"{self.order.name}-{self.part}"


class WmsOrderLine(models.Model):
    """Units of one WMS item that the warehouse is asked to send for one order line."""

    wms_order = models.ForeignKey(
        WmsOrder,
        on_delete=models.CASCADE,
        related_name="lines",
        verbose_name="WMS order",
        help_text="The line belongs to this WMS order.",
    )
    order_line = models.ForeignKey(
        OrderLine,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The units are for this line of the Shopify order.",
    )
    item_code = models.CharField(max_length=255, help_text="The WMS knows the item by this code.")
    quantity = models.PositiveIntegerField(
        help_text="The warehouse is asked for this many units, as the WMS counts them."
    )
    per_unit = models.PositiveIntegerField(help_text="One unit in Shopify is this many units at the WMS.")
    shipped = models.PositiveIntegerField(default=0, help_text="The WMS reported this many units as shipped.")
    reduce_to = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="We asked the WMS to send only this many units, and wait for its answer; it is empty if we did not.",
    )
    sent_again = models.PositiveIntegerField(
        default=0,
        db_default=0,
        help_text="A person decided to send this many Shopify units once more; they no longer count as given to the "
        "warehouse.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["wms_order", "order_line", "item_code"],
                name="wms_order_line_is_one_per_line_and_item",
            ),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="wms_order_line_quantity_is_positive"),
            models.CheckConstraint(condition=Q(per_unit__gte=1), name="wms_order_line_per_unit_is_positive"),
            models.CheckConstraint(
                condition=Q(shipped__lte=F("quantity")), name="wms_order_line_ships_no_more_than_asked"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.item_code}"
