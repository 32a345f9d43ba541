"""The console's pages of connections and warehouses."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest

from ops.admin import ConsoleAdmin
from wms.availability import warehouses
from wms.console.forms import ConnectionForm, WarehouseForm
from wms.models import Connection, Warehouse


@admin.register(Connection)
class ConnectionAdmin(ConsoleAdmin):
    """Accounts at WMSs; secrets are entered here and never shown."""

    form = ConnectionForm
    switched_off_instead = True
    list_display = ["slug", "name", "adapter", "base_url", "stock_basis", "warehouse_count", "is_active"]
    list_filter = ["is_active", "adapter", "stock_basis"]
    search_fields = ["slug", "name", "base_url"]
    readonly_fields = ["callback_url", "created_at"]
    actions = ["forget_previous_secret"]
    fieldsets = [
        (None, {"fields": ["slug", "name", "is_active"]}),
        ("Calls to the WMS", {"fields": ["adapter", "base_url", "token", "capabilities"]}),
        (
            "Callbacks from the WMS",
            {"fields": ["callback_url", "callback_secret", "callback_secret_previous"]},
        ),
        ("What it says", {"fields": ["stock_basis", "time_zone"]}),
        (None, {"fields": ["created_at"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Connection]:
        """Add the number of warehouses."""
        connections: QuerySet[Connection] = super().get_queryset(request)
        return connections.annotate(warehouse_total=Count("warehouses"))

    def get_readonly_fields(self, request: HttpRequest, obj: Connection | None = None) -> list[str]:
        """Make the slug read-only once it is stored, because the callback URL and job keys contain it."""
        return [*self.readonly_fields, "slug"] if obj else self.readonly_fields

    @admin.display(description="Warehouses", ordering="warehouse_total")
    def warehouse_count(self, connection: Connection) -> int:
        """The number of its warehouses."""
        return int(getattr(connection, "warehouse_total", 0))

    @admin.display(description="Callback URL")
    def callback_url(self, connection: Connection) -> str:
        """The address to which the WMS must send its callbacks."""
        if not connection.slug:
            return "shown once it is saved"
        return f"{settings.PUBLIC_URL}/webhooks/wms/{connection.slug}/"

    @admin.action(description="Stop accepting the previous callback secret", permissions=["change"])
    def forget_previous_secret(self, request: HttpRequest, chosen: QuerySet[Connection]) -> None:
        """Delete the previous secrets, which ends a rotation."""
        ended = Connection.objects.filter(pk__in=chosen.values("pk")).exclude(callback_secret_previous="")
        for connection in ended:
            self.log_change(request, connection, "Previous callback secret forgotten.")
        count = ended.update(callback_secret_previous="")
        self.message_user(request, f"{count} previous secrets forgotten.", messages.SUCCESS)

    def save_model(
        self, request: HttpRequest, obj: Connection, form: ModelForm[Connection], change: bool
    ) -> None:
        """Save, and wake what waits for the connection (the admin has a transaction open)."""
        super().save_model(request, obj, form, change)
        warehouses.connection_changed(obj)


@admin.register(Warehouse)
class WarehouseAdmin(ConsoleAdmin):
    """Warehouses; their priorities and pauses are edited in the list."""

    form = WarehouseForm
    switched_off_instead = True
    list_display = [
        "name",
        "shop",
        "priority",
        "paused",
        "is_active",
        "countries",
        "connection",
        "wms_warehouse_code",
        "shopify_location_id",
        "daily_capacity",
    ]
    list_editable = ["priority", "paused", "is_active"]
    list_filter = ["shop", "connection", "paused", "is_active"]
    list_select_related = ["shop", "connection"]
    search_fields = ["name", "wms_warehouse_code", "=shopify_location_id"]
    fieldsets = [
        (None, {"fields": ["name", "shop", "connection", "wms_warehouse_code", "shopify_location_id"]}),
        ("Routing", {"fields": ["priority", "serves_countries", "daily_capacity", "paused", "is_active"]}),
        ("Place", {"fields": ["latitude", "longitude"]}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Warehouse | None = None) -> list[str]:
        """Make shop and connection read-only once stored, because mappings, stock and orders belong to them."""
        return ["shop", "connection"] if obj else []

    @admin.display(description="Serves")
    def countries(self, warehouse: Warehouse) -> str:
        """The countries that it serves, or that it serves all."""
        return ", ".join(warehouse.serves_countries) or "every country"

    def save_model(
        self, request: HttpRequest, obj: Warehouse, form: ModelForm[Warehouse], change: bool
    ) -> None:
        """Save, and wake what waits for the warehouse (the admin has a transaction open, for lists too)."""
        super().save_model(request, obj, form, change)
        warehouses.changed(obj)
