from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from fulfillment.return_models import Return, ReturnLine
from fulfillment.shipment_models import Fulfillment, Shipment, ShipmentCount, ShipmentLine, ShipmentUnit
from fulfillment.states import OrderState, Outcome, Reason, Wish
from ops.secrets import EncryptedTextField
from shops.models import Shop
from wms.models import Warehouse
from wms.statuses import AT_THE_WMS, WmsStatus

__all__ = [
    "Fulfillment",
    "FulfillmentOrder",
    "FulfillmentOrderLine",
    "Order",
    "OrderLine",
    "Return",
    "ReturnLine",
    "Shipment",
    "ShipmentCount",
    "ShipmentLine",
    "ShipmentUnit",
    "WmsOrder",
    "WmsOrderLine",
]


class Order(models.Model):
    """A Shopify order as we last read it. Written by `fulfillment.sync` and the guarded state changes."""

    shop = models.ForeignKey(Shop, on_delete=models.PROTECT, related_name="+")
    shopify_order_id = models.BigIntegerField("Shopify order ID")
    name = models.CharField(max_length=100)
    state = models.CharField(max_length=20, choices=OrderState.choices, default=OrderState.WAITING)
    reason = models.CharField(max_length=30, choices=Reason.choices, blank=True, default=Reason.NONE)
    reason_detail = models.TextField(blank=True, default="")
    state_since = models.DateTimeField(db_default=Now())
    rest_reason = models.CharField(
        max_length=30,
        choices=Reason.choices,
        blank=True,
        default=Reason.NONE,
        db_default="",
        help_text="Why a part of it may not go yet, whatever became of the other parts.",
    )
    rest_detail = models.TextField(blank=True, default="", db_default="")
    rest_from = models.DateTimeField(
        null=True, blank=True, help_text="When the first part that is scheduled may go."
    )
    financial_status = models.CharField(max_length=40, blank=True, default="")
    is_test = models.BooleanField("test order", default=False)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    placed_at = models.DateTimeField(null=True, blank=True)
    shopify_updated_at = models.DateTimeField("last changed at Shopify")
    country = models.CharField(max_length=2, blank=True, default="")
    ship_to = EncryptedTextField(
        blank=True,
        default="",
        bound_to=("shop_id", "shopify_order_id"),
        help_text="JSON of the address; personal data.",
    )
    erased_at = models.DateTimeField(
        null=True, blank=True, help_text="When the customer's data was erased: not needed any more."
    )
    shipping_method = models.CharField(max_length=255, blank=True, default="")
    routing = models.JSONField(null=True, blank=True, help_text="The last decision, warehouse by warehouse.")
    received_at = models.DateTimeField(db_default=Now(), help_text="First notice of it.")
    ready_at = models.DateTimeField(null=True, blank=True, help_text="When nothing at Shopify held it back.")
    waited_at_shopify = models.DurationField(
        "waited at Shopify",
        default=timedelta,
        db_default=timedelta(),
        help_text="In all, until it last went on: unpaid, scheduled, on hold, or without fulfilment orders.",
    )
    waited_for_person = models.DurationField(
        "waited for a person",
        default=timedelta,
        db_default=timedelta(),
        help_text="In all, until it last went on: held.",
    )
    owed_from = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="Since when units that no warehouse was given are ours to send, by the order's own clock.",
    )
    read_at = models.DateTimeField(db_default=Now(), help_text="When it was last read at Shopify.")
    surplus = models.JSONField(
        null=True,
        blank=True,
        help_text="Units at warehouses that Shopify no longer asks for, and since when.",
    )
    wish_words = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text="What its warehouses were asked since, and what they said.",
    )

    class Meta:
        ordering = ["-id"]
        permissions = [("view_personal_data", "Can see names and addresses of customers")]
        constraints = [
            models.UniqueConstraint(
                fields=["shop", "shopify_order_id"], name="order_is_one_per_shopify_order"
            ),
            models.CheckConstraint(condition=Q(state__in=OrderState.values), name="order_state_is_known"),
            models.CheckConstraint(condition=Q(reason__in=Reason.values), name="order_reason_is_known"),
            models.CheckConstraint(
                condition=Q(rest_reason__in=Reason.values), name="order_rest_reason_is_known"
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["waiting", "held"]) | ~Q(reason=""),
                name="order_that_stands_still_has_a_reason",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "-state_since"], name="order_state_since"),
            models.Index(fields=["received_at"], name="order_received"),
            models.Index(fields=["name"], name="order_name"),
            models.Index(
                fields=["state", "state_since"], name="order_to_erase", condition=Q(erased_at__isnull=True)
            ),
            models.Index(
                fields=["rest_from"], name="order_with_a_scheduled_part", condition=Q(rest_from__isnull=False)
            ),
            models.Index(fields=["owed_from"], name="order_owed", condition=Q(owed_from__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.shop.domain}"

    @property
    def subject(self) -> str:
        """What jobs about this order are filed under."""
        return f"order:{self.shop_id}:{self.shopify_order_id}"


class OrderLine(models.Model):
    """A line of an order; quantities are Shopify units, as they stand after edits."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    shopify_line_id = models.BigIntegerField("Shopify line ID")
    shopify_variant_id = models.BigIntegerField("Shopify variant ID", null=True, blank=True)
    variant_is_gone = models.BooleanField(
        default=False, db_default=False, help_text="Shopify named a variant once, and names none any more."
    )
    sku = models.CharField("SKU", max_length=255, blank=True, default="")
    title = models.CharField(max_length=500, blank=True, default="")
    quantity = models.PositiveIntegerField(help_text="Current quantity: ordered less removed.")
    requires_shipping = models.BooleanField(default=True)
    is_gift_card = models.BooleanField(default=False)

    class Meta:
        db_table = "order_line_items"
        constraints = [
            models.UniqueConstraint(fields=["order", "shopify_line_id"], name="line_is_one_per_shopify_line"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.sku or self.title}"


class FulfillmentOrder(models.Model):
    """Shopify's own piece of work for one location, as we last read it. Its id may change: never cached for writes."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="fulfillment_orders")
    shopify_fulfillment_order_id = models.BigIntegerField("Shopify fulfilment order ID")
    status = models.CharField(max_length=40)
    request_status = models.CharField(max_length=40, blank=True, default="")
    location_id = models.BigIntegerField("Shopify location ID", null=True, blank=True)
    is_ours = models.BooleanField(
        default=True, db_default=True, help_text="At a location that is ours, when it was last read."
    )
    at_foreign_service = models.BooleanField(
        default=False, help_text="Belongs to a fulfilment service that is not ours."
    )
    delivery_method = models.CharField(max_length=40, blank=True, default="")
    fulfill_at = models.DateTimeField(null=True, blank=True)
    hold_reason = models.CharField(max_length=255, blank=True, default="")
    shopify_updated_at = models.DateTimeField("last changed at Shopify", null=True, blank=True)

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
    """What of an order line a fulfilment order still asks for, in Shopify units."""

    fulfillment_order = models.ForeignKey(FulfillmentOrder, on_delete=models.CASCADE, related_name="lines")
    shopify_line_id = models.BigIntegerField("Shopify line ID")
    order_line = models.ForeignKey(
        OrderLine, on_delete=models.CASCADE, related_name="fulfillment_order_lines"
    )
    total_quantity = models.PositiveIntegerField()
    remaining_quantity = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["fulfillment_order", "shopify_line_id"], name="fulfillment_order_line_is_stored_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.remaining_quantity} of {self.total_quantity}"


class WmsOrder(models.Model):
    """What was, or will be, submitted to one warehouse for one order."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="wms_orders")
    part = models.PositiveSmallIntegerField()
    warehouse = models.ForeignKey(Warehouse, on_delete=models.PROTECT, related_name="+")
    external_id = models.CharField("external ID", max_length=300, unique=True)
    wms_order_id = models.CharField("WMS order ID", max_length=255, blank=True, default="")
    wms_status = models.CharField(
        "WMS status", max_length=20, choices=WmsStatus.choices, default=WmsStatus.PENDING
    )
    status_at = models.DateTimeField(db_default=Now(), help_text="When the WMS was in this state.")
    attempt = models.PositiveIntegerField(default=0, help_text="How often it was sent.")
    attempt_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=10, choices=Outcome.choices, default=Outcome.NONE)
    outcome_detail = models.TextField(blank=True, default="")
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    wish = models.CharField(
        max_length=20, choices=Wish.choices, default=Wish.NONE, db_default=Wish.NONE.value
    )
    wish_answer = models.TextField(
        blank=True, default="", db_default="", help_text="What the WMS said to that, in its words."
    )
    changes = models.PositiveIntegerField(
        default=0,
        db_default=0,
        help_text="How often it was asked to send less: each change has a key of its own.",
    )
    finished_at = models.DateTimeField(
        null=True, blank=True, help_text="When the WMS said that it sends nothing more of it."
    )
    rest_unwanted = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Shipped in part, and Shopify asks for nothing of the rest.",
    )
    stands_here_since = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When Shopify's work for it was first seen at this warehouse's location.",
    )
    accepted_at = models.DateTimeField(null=True, blank=True)
    owed_from = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="Since when its units were ours to send, by the order's own clock.",
    )
    lag = models.DurationField(
        "submission lag",
        null=True,
        blank=True,
        help_text="From the first notice, or from when this part could go, to the WMS's confirmation, without the time "
        "that the order waited for Shopify or a person.",
    )
    look_up_at = models.DateTimeField(
        db_default=Now(), editable=False, help_text="When the WMS is asked, unless it tells something before."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

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
            models.CheckConstraint(condition=Q(wish__in=Wish.values), name="wms_order_wish_is_known"),
            models.CheckConstraint(
                condition=Q(wms_status="pending") | Q(wms_status="cancelled") | Q(attempt__gte=1),
                name="wms_order_attempt_is_recorded_before_the_call",
            ),
        ]
        indexes = [
            models.Index(fields=["wms_order_id"], name="wms_order_id"),
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
    def external_ref(self) -> str:
        """What people find it by at the WMS: the order's name, with the part behind it from the second on."""
        return self.order.name if self.part == 1 else f"{self.order.name}-{self.part}"


class WmsOrderLine(models.Model):
    """Units of one WMS item asked of the warehouse for one order line."""

    wms_order = models.ForeignKey(
        WmsOrder, on_delete=models.CASCADE, related_name="lines", verbose_name="WMS order"
    )
    order_line = models.ForeignKey(OrderLine, on_delete=models.PROTECT, related_name="+")
    item_code = models.CharField(max_length=255)
    quantity = models.PositiveIntegerField(help_text="In WMS item units.")
    per_unit = models.PositiveIntegerField(help_text="WMS item units in one Shopify unit.")
    shipped = models.PositiveIntegerField(default=0, help_text="In WMS item units.")
    reduce_to = models.PositiveIntegerField(
        null=True, blank=True, help_text="What the WMS is being asked to send instead, in WMS item units."
    )
    sent_again = models.PositiveIntegerField(
        default=0,
        db_default=0,
        help_text="Shopify units that a person had sent once more: given to nobody here.",
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
