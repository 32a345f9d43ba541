"""Tables of Shopify orders and their lines."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from fulfillment.models.states import OrderState, Reason
from fulfillment.refs import OrderPk, order_subject
from ops.refs import Subject
from ops.secrets import EncryptedTextField
from shops.ids import (
    ShopifyLineId,
    ShopifyOrderId,
    ShopPk,
    VariantId,
)
from shops.models import Shop


class Order(models.Model):
    """A Shopify order as we last read it. Only `fulfillment.orders` and the modules of states write it."""

    id: OrderPk
    shop = models.ForeignKey(
        Shop,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The order was placed in this Shopify store.",
    )
    shopify_order_id: models.BigIntegerField[ShopifyOrderId, ShopifyOrderId] = models.BigIntegerField(
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
    deferred_reason = models.CharField(
        max_length=30,
        choices=Reason.choices,
        blank=True,
        default=Reason.NONE,
        db_default="",
        help_text="This says why a part of the order may not go yet, even if other parts were sent.",
        db_column="rest_reason",
    )
    deferred_detail = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text="This says which units may not go yet, and what they wait for.",
        db_column="rest_detail",
    )
    deferred_until = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The first scheduled part may go from this time on; it is empty if no part has a date.",
        db_column="rest_from",
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
        help_text="The customer chose this shipping method; the WMS gets its name.",
    )
    routing = models.JSONField(
        null=True,
        blank=True,
        help_text="This is the last choice of a warehouse, with the finding about each warehouse; it is empty before "
        "the first choice.",
    )
    received_at = models.DateTimeField(
        db_default=Now(), help_text="We first heard of the order at this time."
    )
    ready_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Shopify last released the order, or a further part of it, at this time; it is empty before that.",
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
    lag_started_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="We have had units to send since this time that no warehouse was given yet. The time is read from a "
        "clock that stops while the order waits for others. It is empty if there are no such units.",
        db_column="owed_from",
    )
    read_at = models.DateTimeField(
        db_default=Now(), help_text="The order was last read at Shopify at this time."
    )
    surplus = models.JSONField(
        null=True,
        blank=True,
        help_text="Warehouses still have these units although Shopify no longer asks for them. The time when we "
        "first saw this is stored with them. It is empty if there are no such units.",
    )
    change_summary = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text="This says what we asked warehouses after a change in Shopify, and what they answered.",
        db_column="wish_words",
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
                condition=Q(deferred_reason__in=Reason.values), name="order_rest_reason_is_known"
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
                fields=["deferred_until"],
                name="order_with_a_scheduled_part",
                condition=Q(deferred_until__isnull=False),
            ),
            models.Index(
                fields=["lag_started_at"], name="order_owed", condition=Q(lag_started_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.shop.domain}"

    @property
    def subject(self) -> Subject:
        """The subject of jobs and alerts about this order."""
        return order_subject(ShopPk(self.shop_id), self.shopify_order_id)


class OrderLine(models.Model):
    """A line of an order; quantities are Shopify units, as they stand after edits."""

    order = models.ForeignKey(
        Order, on_delete=models.CASCADE, related_name="lines", help_text="The line belongs to this order."
    )
    shopify_line_id: models.BigIntegerField[ShopifyLineId, ShopifyLineId] = models.BigIntegerField(
        "Shopify line ID", help_text="Shopify knows the line by this number."
    )
    shopify_variant_id: models.BigIntegerField[VariantId | None, VariantId | None] = models.BigIntegerField(
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
        help_text="The order has this many units of the line now: the ordered units without the removed ones."
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
        return f"{self.quantity} × {self.label}"

    @property
    def has_variant(self) -> bool:
        """Whether Shopify names a variant for the line, and so books its units on that variant's stock."""
        return self.shopify_variant_id is not None and not self.variant_is_gone

    @property
    def label(self) -> str:
        """How staff call what is sold: by its SKU, else by its title."""
        return self.sku or self.title
