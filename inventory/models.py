from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from shops.models import Shop
from wms.models import Connection, Warehouse


class StockLevel(models.Model):
    """Our copy of one item's quantity at one warehouse, in WMS item units.

    Figures are written only by `inventory.levels.apply`, promises only by `inventory.consequences.recount`, what
    Shopify was told by `inventory.push`.
    """

    warehouse = models.ForeignKey(Warehouse, on_delete=models.PROTECT, related_name="+")
    item_code = models.CharField(max_length=255)
    available = models.IntegerField(default=0, help_text="As the WMS reported it.")
    on_hand = models.IntegerField(null=True, blank=True, help_text="As the WMS reported it.")
    reserved = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Units we promised that the WMS's figure does not know of yet."
    )
    observed_at = models.DateTimeField(null=True, blank=True, help_text="When the WMS saw this figure.")
    sequence = models.BigIntegerField(null=True, blank=True)
    pushed_quantity = models.IntegerField(null=True, blank=True, help_text="As Shopify was last told.")
    pushed_at = models.DateTimeField(null=True, blank=True)
    read_at = models.DateTimeField(
        null=True, blank=True, help_text="When a reading of the WMS's stock last named it."
    )
    promised_at = models.DateTimeField(
        null=True, blank=True, help_text="When an order was last promised units of it, to the hour."
    )
    push_due_since = models.DateTimeField(
        null=True, blank=True, help_text="Since when Shopify does not know better."
    )
    push_compares = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Nothing changed: Shopify's figure is to be compared, after all that did change.",
    )
    push_marked_at = models.DateTimeField(
        null=True, blank=True, help_text="The latest reason to push: a push clears only what it knew of."
    )
    updated_at = models.DateTimeField(auto_now=True, db_default=Now())

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
    """Units of one level that are promised to one WMS order.

    An order has one open row (`shipped_at` null) per level. Units that left while the level's figure still contains
    them are rows of their own, with `shipped_at`, until a figure comes that knows.
    """

    class State(models.TextChoices):
        HELD = "held", "held: the WMS's figure does not know of it yet"
        COUNTED = "counted", "counted: the WMS's figure is net of it"

    level = models.ForeignKey(StockLevel, on_delete=models.PROTECT, related_name="reservations")
    reference = models.CharField(max_length=300, help_text="external id of the WMS order")
    quantity = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.HELD)
    accepted_at = models.DateTimeField(null=True, blank=True)
    shipped_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

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
    """What Shopify has committed, at the warehouse's location, of an order that the warehouse was given.

    WMS item units; written by `inventory.commitments`. It says nothing of what the warehouse has still to send.
    """

    reference = models.CharField(max_length=300, help_text="external id of the WMS order")
    warehouse = models.ForeignKey(Warehouse, on_delete=models.PROTECT, related_name="+")
    item_code = models.CharField(max_length=255)
    quantity = models.PositiveIntegerField()

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
    """What a warehouse's figures at Shopify depend on, as it was when they were last made due as a whole."""

    warehouse = models.OneToOneField(Warehouse, on_delete=models.CASCADE, related_name="+")
    scope = models.CharField(
        max_length=300, help_text="Location, warehouse code, connection and stock basis."
    )

    def __str__(self) -> str:
        return self.scope


class Watermark(models.Model):
    """How far the stock of a connection has been reconciled."""

    connection = models.OneToOneField(Connection, on_delete=models.CASCADE, related_name="+")
    updated_since = models.DateTimeField(null=True, blank=True)
    cursor = models.CharField(max_length=2000, blank=True, default="")
    started_at = models.DateTimeField(null=True, blank=True, help_text="Of the run in progress.")
    full = models.BooleanField(default=False, help_text="The run in progress reads everything.")
    full_at = models.DateTimeField(null=True, blank=True, help_text="When everything was last read.")

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
    """One changing call about stock, stored before it is sent.

    After a crash or a time-out the very same key and variables are sent again: Shopify replays its first result.
    """

    class State(models.TextChoices):
        SENDING = "sending", "sending: the outcome is not known yet"
        DONE = "done", "done: Shopify answered"

    class Operation(models.TextChoices):
        """The document in shops/graphql."""

        SET = "inventory_set_quantities", "set quantities"
        ACTIVATE = "inventory_activate", "stock an item at a location"

    shop = models.ForeignKey(Shop, on_delete=models.PROTECT, related_name="+")
    key = models.CharField(max_length=100, unique=True)
    operation = models.CharField(max_length=40, choices=Operation.choices)
    variables = models.JSONField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.SENDING)
    errors = models.JSONField(default=list, blank=True, help_text="Shopify's userErrors.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)

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
