"""A list filter by warehouse for the console."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import ModelAdmin, RelatedFieldListFilter
from django.http import HttpRequest

from wms.models import Warehouse


class WarehouseFilter(RelatedFieldListFilter):
    """Filters by warehouse; the choices show shop, connection and code, and are read with one statement."""

    def field_choices(
        self, field: Any, request: HttpRequest, model_admin: ModelAdmin[Any]
    ) -> list[tuple[str, Any]]:
        """Return the warehouses with their full names."""
        warehouses = Warehouse.objects.select_related("shop", "connection").order_by(
            "shop__domain", "priority", "id"
        )
        return [(str(warehouse.pk), str(warehouse)) for warehouse in warehouses]
