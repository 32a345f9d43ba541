"""Filters of the console's lists that speak of warehouses."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import ModelAdmin, RelatedFieldListFilter
from django.http import HttpRequest

from wms.models import Warehouse


class WarehouseFilter(RelatedFieldListFilter):
    """Warehouses with their shop, connection and code, in one statement."""

    def field_choices(
        self, field: Any, request: HttpRequest, model_admin: ModelAdmin[Any]
    ) -> list[tuple[str, Any]]:
        """Each warehouse as it is called everywhere."""
        warehouses = Warehouse.objects.select_related("shop", "connection").order_by(
            "shop__domain", "priority", "id"
        )
        return [(str(warehouse.pk), str(warehouse)) for warehouse in warehouses]
