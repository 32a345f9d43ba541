from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from fulfillment.models.states import OrderState, Outcome, Reason, Wish
from ops.secrets import EncryptedTextField
from shops.models import Shop
from wms.models import Warehouse
from wms.statuses import AT_THE_WMS, WmsStatus


class Order(models.Model):
    """A Shopify order as we last read it. Written by `fulfillment.orders.sync` and the guarded state changes."""

    shop = models.ForeignKey(
        Shop,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The order was placed in this Shopify store.",
    )
    shopify_order_id = models.BigIntegerField(
        "Shopify order ID", help_text="Shopify knows the order by this number."
    )
    name = models.CharField(
        max_length=100, help_text="Merchant and customer know the order by this name, for example #1008."
    )
    state = models.CharField(
        max_length=20,
        choices=OrderState.choices,
        default=OrderState.WAITING,
        help_text="This says where the order stands: whether it waits, is held, is at a warehouse, and so on.",
    )
    reason = models.CharField(
        max_length=30,
        choices=Reason.choices,
        blank=True,
        default=Reason.NONE,
        help_text="This says why the order waits or is held; it is empty if the state needs no reason.",
    )
    reason_detail = models.TextField(
        blank=True,
        default="",
        help_text="This adds details to the reason, such as the SKU that is missing or the answer of the WMS.",
    )
    state_since = models.DateTimeField(
        db_default=Now(), help_text="The order has been in this state, for this reason, since this time."
    )
    rest_reason = models.CharField(
        max_length=30,
        choices=Reason.choices,
        blank=True,
        default=Reason.NONE,
        db_default="",
        help_text="This says why a part of the order may not go yet, whatever became of the other parts.",
    )
    rest_detail = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text="This says which units may not go yet, and what they wait for.",
    )
    rest_from = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The first scheduled part may go from this time on; it is empty if no part has a date.",
    )
    financial_status = models.CharField(
        max_length=40,
        blank=True,
        default="",
        help_text="This is Shopify's word for how far the order is paid, for example PAID or PENDING.",
    )
    is_test = models.BooleanField(
        "test order", default=False, help_text="This is set if Shopify marks the order as a test order."
    )
    cancelled_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The order was cancelled in Shopify at this time; it is empty if it was not cancelled.",
    )
    placed_at = models.DateTimeField(
        null=True, blank=True, help_text="The customer placed the order at this time."
    )
    shopify_updated_at = models.DateTimeField(
        "last changed at Shopify",
        help_text="We know all changes that were made to the order in Shopify up to this time.",
    )
    country = models.CharField(
        max_length=2,
        blank=True,
        default="",
        help_text="The parcel goes to this country (ISO code); it is empty if we have no address.",
    )
    ship_to = EncryptedTextField(
        blank=True,
        default="",
        bound_to=("shop_id", "shopify_order_id"),
        help_text="This is the delivery address as JSON; it is personal data and is stored encrypted.",
    )
    erased_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The customer's data was erased at this time, because it was not needed any more.",
    )
    shipping_method = models.CharField(
        max_length=255,
        blank=True,
        default="",
        help_text="The customer chose this shipping method; the WMS is told its name.",
    )
    routing = models.JSONField(
        null=True,
        blank=True,
        help_text="This is the last choice of a warehouse, with what was found at each of them; it is empty before "
        "the first.",
    )
    received_at = models.DateTimeField(
        db_default=Now(), help_text="We first heard of the order at this time."
    )
    ready_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Shopify last let the order, or a further part of it, go at this time; it is empty before that.",
    )
    waited_at_shopify = models.DurationField(
        "waited at Shopify",
        default=timedelta,
        db_default=timedelta(),
        help_text="The order waited for Shopify this long in all: unpaid, scheduled, on hold, or without fulfilment "
        "orders. A wait that still lasts is not yet counted.",
    )
    waited_for_person = models.DurationField(
        "waited for a person",
        default=timedelta,
        db_default=timedelta(),
        help_text="The order was held for a person this long in all. A hold that still lasts is not yet counted.",
    )
    owed_from = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="Units that no warehouse was given yet are ours to send since this time, by a clock that stops "
        "while the order waits for others. It is empty if there are no such units.",
    )
    read_at = models.DateTimeField(
        db_default=Now(), help_text="The order was last read at Shopify at this time."
    )
    surplus = models.JSONField(
        null=True,
        blank=True,
        help_text="Warehouses still have these units although Shopify no longer asks for them, with the time since "
        "when; it is empty if there are none.",
    )
    wish_words = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text="This says what warehouses were asked after a change in Shopify, and what they answered.",
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

    order = models.ForeignKey(
        Order, on_delete=models.CASCADE, related_name="lines", help_text="The line belongs to this order."
    )
    shopify_line_id = models.BigIntegerField(
        "Shopify line ID", help_text="Shopify knows the line by this number."
    )
    shopify_variant_id = models.BigIntegerField(
        "Shopify variant ID",
        null=True,
        blank=True,
        help_text="Shopify knows the product variant by this number; it is empty if the line never had one.",
    )
    variant_is_gone = models.BooleanField(
        default=False,
        db_default=False,
        help_text="This is set if Shopify named a variant once, and names none any more.",
    )
    sku = models.CharField(
        "SKU",
        max_length=255,
        blank=True,
        default="",
        help_text="Shopify shows this SKU on the line; it is empty if there is none.",
    )
    title = models.CharField(
        max_length=500, blank=True, default="", help_text="The product has this name in Shopify."
    )
    quantity = models.PositiveIntegerField(
        help_text="The order has this many units of the line now: ordered less removed."
    )
    requires_shipping = models.BooleanField(
        default=True, help_text="This is set if the goods have to be shipped; other lines go to no warehouse."
    )
    is_gift_card = models.BooleanField(
        default=False, help_text="This is set if the line is a gift card, which goes to no warehouse."
    )

    class Meta:
        db_table = "order_line_items"
        constraints = [
            models.UniqueConstraint(fields=["order", "shopify_line_id"], name="line_is_one_per_shopify_line"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.sku or self.title}"


class FulfillmentOrder(models.Model):
    """Shopify's own piece of work for one location, as we last read it. Its id may change: never cached for writes."""

    order = models.ForeignKey(
        Order,
        on_delete=models.CASCADE,
        related_name="fulfillment_orders",
        help_text="The fulfilment order is a part of this order.",
    )
    shopify_fulfillment_order_id = models.BigIntegerField(
        "Shopify fulfilment order ID",
        help_text="Shopify knows the fulfilment order by this number, which may change when work is moved or split.",
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
    location_id = models.BigIntegerField(
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
    """What of an order line a fulfilment order still asks for, in Shopify units."""

    fulfillment_order = models.ForeignKey(
        FulfillmentOrder,
        on_delete=models.CASCADE,
        related_name="lines",
        help_text="The line belongs to this fulfilment order.",
    )
    shopify_line_id = models.BigIntegerField(
        "Shopify line ID", help_text="Shopify knows this line of the fulfilment order by this number."
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


class WmsOrder(models.Model):
    """What was, or will be, submitted to one warehouse for one order."""

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
    external_id = models.CharField(
        "external ID",
        max_length=300,
        unique=True,
        help_text="We give the WMS this identifier, which never changes, so that no order is placed twice.",
    )
    wms_order_id = models.CharField(
        "WMS order ID",
        max_length=255,
        blank=True,
        default="",
        help_text="The WMS knows the order by this number; it is empty until we know that the WMS has it.",
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
        help_text="The WMS is to cancel the order since this time; it is empty if that was never wanted.",
    )
    wish = models.CharField(
        max_length=20,
        choices=Wish.choices,
        default=Wish.NONE,
        db_default=Wish.NONE.value,
        help_text="This says what the WMS was last asked after a change in Shopify, and whether it agreed.",
    )
    wish_answer = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text="The WMS gave this answer; it is empty if it gave none.",
    )
    changes = models.PositiveIntegerField(
        default=0,
        db_default=0,
        help_text="The WMS was asked this often to send less. The number tells these requests apart.",
    )
    finished_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The WMS said, by its own clock, that it sends nothing more after this time; it is empty until "
        "then.",
    )
    rest_unwanted = models.BooleanField(
        default=False,
        db_default=False,
        help_text="This is set if Shopify asks for nothing of what was not shipped, so that nobody waits for it.",
    )
    stands_here_since = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Shopify is known to have the work for these goods at the warehouse's location since this time; it "
        "is empty until then.",
    )
    accepted_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="We learned at this time that the WMS has the order; it is empty until then.",
    )
    owed_from = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="The units are ours to send since this time, by a clock that stops while the order waits for "
        "others. It is empty if that is not known.",
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
            models.CheckConstraint(condition=Q(wish__in=Wish.values), name="wms_order_wish_is_known"),
            models.CheckConstraint(
                condition=Q(wms_status=WmsStatus.PENDING.value)
                | Q(wms_status=WmsStatus.CANCELLED.value)
                | Q(attempt__gte=1),
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
        help_text="The WMS is being asked to send only this many units; it is empty if it is not.",
    )
    sent_again = models.PositiveIntegerField(
        default=0,
        db_default=0,
        help_text="A person had this many Shopify units sent once more; they no longer count as given to the "
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
