from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from shops.models import Shop
from wms.models import Connection, Warehouse


class StockLevel(models.Model):
    """Our copy of one item's quantity at one warehouse, in WMS item units.

    Only `inventory.stock.levels.apply` writes the WMS's quantities, only `inventory.stock.effects.recount` writes
    `reserved`, and `inventory.push` writes what Shopify was told.
    """

    warehouse = models.ForeignKey(
        Warehouse, on_delete=models.PROTECT, related_name="+", help_text="The item lies in this warehouse."
    )
    item_code = models.CharField(max_length=255, help_text="The WMS knows the item by this code.")
    available = models.IntegerField(
        default=0,
        help_text="The WMS reported this many units as available, without those of orders that it has.",
    )
    on_hand = models.IntegerField(
        null=True,
        blank=True,
        help_text="The WMS reported this many units on the shelf; it is empty if it reports no such figure.",
    )
    reserved = models.PositiveIntegerField(
        default=0,
        db_default=0,
        help_text="We promised this many units to orders that the WMS's figure does not know of yet.",
    )
    observed_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The WMS's figures are of this time, by its own clock; it is empty before the first.",
    )
    sequence = models.BigIntegerField(
        null=True,
        blank=True,
        help_text="The WMS numbered its report so, and a higher number is newer; it is empty if it gives no numbers.",
    )
    pushed_quantity = models.IntegerField(
        null=True,
        blank=True,
        help_text="Shopify was last told this figure, or had it already; it is empty before the first time.",
    )
    pushed_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Shopify's figure was last set, or found to be right, at this time; it is empty before the first "
        "time.",
    )
    read_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Our last reading of the WMS's stock that named the item was at this time; it is empty if none "
        "did.",
    )
    promised_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Units were last promised to an order at this time, to the hour; it is empty if none ever were.",
    )
    push_due_since = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Shopify is to be told the figure since this time; it is empty if there is nothing to tell.",
    )
    push_compares = models.BooleanField(
        default=False,
        db_default=False,
        help_text="This is set if nothing changed, and Shopify's figure is only to be compared, after all that did "
        "change.",
    )
    push_marked_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="We last noted at this time that Shopify is to be told; it is empty if we never did.",
    )
    updated_at = models.DateTimeField(
        auto_now=True, db_default=Now(), help_text="The row was last written at this time."
    )

    class Meta:
        db_table = "inventory_cache"
        constraints = [
            models.UniqueConstraint(
                fields=["warehouse", "item_code"], name="level_is_one_per_warehouse_and_item"
            ),
            models.CheckConstraint(condition=Q(reserved__gte=0), name="level_reserved_is_not_negative"),
        ]
        indexes = [
            models.Index(
                fields=["push_compares", "push_due_since"],
                name="level_due_in_turn",
                condition=Q(push_due_since__isnull=False),
            ),
            models.Index(fields=["item_code", "warehouse"], name="level_by_item"),
            models.Index(
                fields=["warehouse", "-promised_at"],
                name="level_promised",
                condition=Q(promised_at__isnull=False),
            ),
            models.Index(
                fields=["warehouse", "read_at"], name="level_read", condition=Q(promised_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.item_code} at {self.warehouse}"


class Reservation(models.Model):
    """Units of one level that are reserved for one WMS order.

    An order has one open row (`shipped_at` null) per level. If units left the warehouse while the level's quantity
    still contains them, they are a row of their own with `shipped_at`. It is deleted when a quantity comes without
    them.
    """

    class State(models.TextChoices):
        """Whether the WMS's quantity already takes the reservation into account."""

        PENDING = "held", "held: the WMS's figure does not know of it yet"
        NETTED = "counted", "counted: the WMS's figure is net of it"

    level = models.ForeignKey(
        StockLevel,
        on_delete=models.PROTECT,
        related_name="reservations",
        help_text="The units are promised out of this stock.",
    )
    reference = models.CharField(
        max_length=300, help_text="The units are promised to the WMS order with this external ID."
    )
    quantity = models.PositiveIntegerField(help_text="This many units are promised, as the WMS counts them.")
    state = models.CharField(
        max_length=10,
        choices=State.choices,
        default=State.PENDING,
        help_text="This says whether the WMS's figure knows of the order already.",
    )
    accepted_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The WMS had the order from this time on; it is empty until we know that it has it.",
    )
    shipped_at = models.DateTimeField(
        null=True, blank=True, help_text="The units left the warehouse at this time; it is empty until then."
    )
    created_at = models.DateTimeField(
        db_default=Now(), editable=False, help_text="The promise was recorded at this time."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["level", "reference"],
                condition=Q(shipped_at__isnull=True),
                name="reservation_is_open_once_per_level_and_order",
            ),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="reservation_quantity_is_positive"),
            models.CheckConstraint(
                condition=Q(state__in=["held", "counted"]), name="reservation_state_is_known"
            ),
            models.CheckConstraint(
                condition=Q(shipped_at__isnull=True) | Q(accepted_at__isnull=False),
                name="reservation_ships_after_acceptance",
            ),
            models.CheckConstraint(
                condition=Q(shipped_at__isnull=True) | Q(state="held"),
                name="reservation_shipped_is_kept_only_while_held",
            ),
        ]
        indexes = [models.Index(fields=["reference"], name="reservation_reference")]

    def __str__(self) -> str:
        return f"{self.quantity} for {self.reference}"


class Commitment(models.Model):
    """Units that Shopify has committed at the warehouse's location for an order that the warehouse was given.

    They are WMS item units, and `inventory.commitments` writes them. They do not say what the warehouse must still
    send.
    """

    reference = models.CharField(
        max_length=300, help_text="The units are for the WMS order with this external ID."
    )
    warehouse = models.ForeignKey(
        Warehouse,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Shopify has the units committed at the location of this warehouse.",
    )
    item_code = models.CharField(max_length=255, help_text="The WMS knows the item by this code.")
    quantity = models.PositiveIntegerField(
        help_text="Shopify has this many units committed for the order, as the WMS counts them."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["reference", "warehouse", "item_code"], name="commitment_is_one_per_order_and_item"
            ),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="commitment_quantity_is_positive"),
        ]
        indexes = [models.Index(fields=["warehouse", "item_code"], name="commitment_by_item")]

    def __str__(self) -> str:
        return f"{self.quantity} of {self.reference}"


class Told(models.Model):
    """The scope of a warehouse (see `inventory.push.scope`) when all its levels were last marked for a push."""

    warehouse = models.OneToOneField(
        Warehouse,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="The figures of this warehouse at Shopify are meant.",
    )
    scope = models.CharField(
        max_length=300,
        help_text="This is the location, warehouse code, connection and stock basis; if one changes, all figures are "
        "told anew.",
    )

    def __str__(self) -> str:
        return self.scope


class Watermark(models.Model):
    """The time up to which the stock of a connection is reconciled, and the run in progress."""

    connection = models.OneToOneField(
        Connection,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="The stock of this WMS account is meant.",
    )
    updated_since = models.DateTimeField(
        null=True,
        blank=True,
        help_text="All that changed at the WMS up to this time was read; it is empty before the first run has ended.",
    )
    cursor = models.CharField(
        max_length=2000,
        blank=True,
        default="",
        help_text="The WMS continues the run in progress from this mark; it is empty on the first page or between "
        "runs.",
    )
    started_at = models.DateTimeField(
        null=True, blank=True, help_text="The run in progress began at this time; it is empty between runs."
    )
    full = models.BooleanField(
        default=False,
        help_text="This is set if the run in progress reads everything, and not only what changed.",
    )
    full_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The last run that read everything began at this time; it is empty before the first has ended.",
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(cursor="") | Q(started_at__isnull=False),
                name="watermark_run_in_progress_has_a_start",
            ),
            models.CheckConstraint(
                condition=Q(updated_since__isnull=True)
                | Q(started_at__isnull=True)
                | Q(started_at__gte=F("updated_since")),
                name="watermark_moves_forward",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.connection_id}: {self.updated_since}"


class PushBatch(models.Model):
    """One call that changes stock at Shopify. It is stored before it is sent.

    After a crash or a time-out the same key and variables are sent again, and Shopify repeats its first result.
    """

    class State(models.TextChoices):
        SENDING = "sending", "sending: the outcome is not known yet"
        DONE = "done", "done: Shopify answered"

    class Operation(models.TextChoices):
        """The name of the document in `shops/api/graphql`."""

        SET = "inventory_set_quantities", "set quantities"
        ACTIVATE = "inventory_activate", "stock an item at a location"

    shop = models.ForeignKey(
        Shop, on_delete=models.PROTECT, related_name="+", help_text="The call goes to this Shopify store."
    )
    key = models.CharField(
        max_length=100,
        unique=True,
        help_text="Shopify knows the call by this key, and does nothing twice under the same key.",
    )
    operation = models.CharField(
        max_length=40, choices=Operation.choices, help_text="This says what the call does."
    )
    variables = models.JSONField(help_text="This is the content of the call, exactly as it is sent.")
    state = models.CharField(
        max_length=10,
        choices=State.choices,
        default=State.SENDING,
        help_text="This says whether Shopify's answer is known.",
    )
    errors = models.JSONField(
        default=list, blank=True, help_text="Shopify refused the call, or parts of it, with these errors."
    )
    created_at = models.DateTimeField(
        db_default=Now(), editable=False, help_text="The call was stored at this time, before it was sent."
    )
    finished_at = models.DateTimeField(
        null=True, blank=True, help_text="Shopify's answer was recorded at this time; it is empty until then."
    )

    class Meta:
        verbose_name_plural = "push batches"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["shop"],
                condition=Q(state="sending"),
                name="push_batch_is_sent_one_at_a_time_per_shop",
            ),
            models.CheckConstraint(
                condition=Q(operation__in=["inventory_set_quantities", "inventory_activate"]),
                name="push_batch_operation_is_known",
            ),
            models.CheckConstraint(
                condition=Q(state="sending", finished_at__isnull=True)
                | Q(state="done", finished_at__isnull=False),
                name="push_batch_is_sending_or_done",
            ),
        ]
        indexes = [models.Index(fields=["finished_at"], name="push_batch_finished")]

    def __str__(self) -> str:
        return self.key
