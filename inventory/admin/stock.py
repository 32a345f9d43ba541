"""The console's pages of stock. Staff only read them, and may ask for a push; nothing here calls another system."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from unfold.decorators import action, display

from inventory import reservations
from inventory.admin.mappings import StockedMappingAdmin
from inventory.models import PushBatch, Reservation, StockLevel, Watermark
from inventory.stock import levels
from ops.admin import ReadOnlyAdmin, as_json
from wms.console.list_filters import WarehouseFilter

__all__ = ["PushBatchAdmin", "ReservationAdmin", "StockLevelAdmin", "StockedMappingAdmin", "WatermarkAdmin"]

MOST_AT_ONCE = 5000
"""The most levels that one action marks."""


class PushFilter(admin.SimpleListFilter):
    """Filters levels by whether Shopify was told their quantity."""

    title = "Shopify"
    parameter_name = "push"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Question and answer."""
        return [("due", "does not know yet"), ("never", "was never told"), ("told", "knows")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[StockLevel]) -> QuerySet[StockLevel]:
        """The levels in the chosen situation."""
        match self.value():
            case "due":
                return queryset.filter(push_due_since__isnull=False)
            case "never":
                return queryset.filter(pushed_at__isnull=True)
            case "told":
                return queryset.filter(push_due_since__isnull=True, pushed_at__isnull=False)
        return queryset


class StockFilter(admin.SimpleListFilter):
    """Filters levels by what is free and what is reserved."""

    title = "stock"
    parameter_name = "stock"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Question and answer."""
        return [
            ("none", "nothing free"),
            ("over", "promised more than there is"),
            ("reserved", "with promises"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[StockLevel]) -> QuerySet[StockLevel]:
        """The levels in the chosen situation."""
        on_hand = Q(warehouse__connection__stock_basis="on_hand")
        match self.value():
            case "none":
                return queryset.alias(none_free=reservations.free_expression()).filter(none_free=0)
            case "over":
                return queryset.filter(
                    (on_hand & Q(reserved__gt=F("on_hand"))) | (~on_hand & Q(reserved__gt=F("available")))
                )
            case "reserved":
                return queryset.filter(reserved__gt=0)
        return queryset


@admin.register(StockLevel)
class StockLevelAdmin(ReadOnlyAdmin):
    """The stock that we know of, and what Shopify was told of it."""

    list_display = [
        "item_code",
        "warehouse",
        "available",
        "on_hand",
        "reserved",
        "free",
        "observed_at",
        "pushed_quantity",
        "pushed_at",
        "push_due_since",
    ]
    list_filter = [PushFilter, StockFilter, "warehouse__connection", ("warehouse", WarehouseFilter)]
    list_select_related = ["warehouse__shop", "warehouse__connection"]
    search_fields = ["item_code"]
    search_help_text = "WMS item code"
    ordering = ["item_code", "warehouse_id"]
    actions = ["push_again"]
    fieldsets = [
        (None, {"fields": ["item_code", "warehouse"]}),
        ("At the WMS", {"fields": ["available", "on_hand", "observed_at", "sequence"]}),
        ("Promised", {"fields": ["reserved", "free"]}),
        ("At Shopify", {"fields": ["pushed_quantity", "pushed_at", "push_due_since"]}),
        (None, {"fields": ["updated_at"]}),
    ]
    readonly_fields = ["free"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[StockLevel]:
        """Add the free units."""
        return super().get_queryset(request).annotate(free_units=reservations.free_expression())

    @display(description="Free", ordering="free_units")
    def free(self, level: StockLevel) -> int:
        """The units that no shop that sells from the same shelf has reserved."""
        return int(getattr(level, "free_units", 0))

    @action(description="Push to Shopify again now", permissions=["operate"])
    def push_again(self, request: HttpRequest, chosen: QuerySet[StockLevel]) -> None:
        """Mark the levels as due; the push itself is a job."""
        marked = list(chosen.order_by("pk")[:MOST_AT_ONCE])
        items: defaultdict[int, list[str]] = defaultdict(list)
        for level in marked:
            items[level.warehouse_id].append(level.item_code)
        for warehouse_id in sorted(items):
            with transaction.atomic():
                levels.mark_due(warehouse_id, items[warehouse_id])
        self.log(request, marked, "Asked for a push to Shopify.")
        self.message_user(request, f"{len(marked)} levels will be pushed to Shopify.", messages.SUCCESS)


@admin.register(Reservation)
class ReservationAdmin(ReadOnlyAdmin):
    """Units reserved for WMS orders."""

    list_display = [
        "reference",
        "item",
        "warehouse",
        "quantity",
        "state",
        "created_at",
        "accepted_at",
        "shipped_at",
    ]
    list_filter = ["state", ("level__warehouse", WarehouseFilter), ("shipped_at", admin.EmptyFieldListFilter)]
    list_select_related = ["level__warehouse__shop", "level__warehouse__connection"]
    search_fields = ["=reference", "reference__startswith", "=level__item_code"]
    search_help_text = "external id of the WMS order, or WMS item code"
    ordering = ["-pk"]

    @display(description="Item", ordering="level__item_code")
    def item(self, reservation: Reservation) -> str:
        """The WMS item code."""
        return reservation.level.item_code

    @display(description="Warehouse")
    def warehouse(self, reservation: Reservation) -> str:
        """The warehouse's name."""
        return str(reservation.level.warehouse)


@admin.register(Watermark)
class WatermarkAdmin(ReadOnlyAdmin):
    """The time up to which each connection's stock is reconciled."""

    list_display = ["connection", "updated_since", "full_at", "started_at", "full", "cursor"]
    list_select_related = ["connection"]
    ordering = ["connection__slug"]


@admin.register(PushBatch)
class PushBatchAdmin(ReadOnlyAdmin):
    """The stock calls of the last days, with Shopify's answers."""

    list_display = ["created_at", "shop", "operation", "elements", "state", "refusals", "finished_at"]
    list_filter = ["shop", "state", "operation"]
    list_select_related = ["shop"]
    search_fields = ["=key"]
    readonly_fields = ["sent", "refused"]
    fields = ["shop", "key", "operation", "state", "sent", "refused", "created_at", "finished_at"]

    @display(description="Variables")
    def sent(self, batch: PushBatch) -> str:
        """The variables of the call."""
        return as_json(batch.variables)

    @display(description="Errors")
    def refused(self, batch: PushBatch) -> str:
        """Shopify's userErrors."""
        return as_json(batch.errors)

    @display(description="Elements")
    def elements(self, batch: PushBatch) -> int:
        """The number of quantities that it sets."""
        return len(batch.variables.get("input", {}).get("quantities", [None]))

    @display(description="Refusals")
    def refusals(self, batch: PushBatch) -> int:
        """The number of errors in Shopify's answer."""
        return len(batch.errors)
