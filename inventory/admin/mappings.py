"""The console's page of SKU mappings, with a warning that needs stock levels, which `skumap` does not know."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest

from inventory import reservations
from skumap.admin import SkuMappingAdmin
from skumap.models import SkuMapping

admin.site.unregister(SkuMapping)


@admin.register(SkuMapping)
class StockedMappingAdmin(SkuMappingAdmin):
    """SKU mappings; it warns when a mapping names an item that the WMS has never reported, mostly a typing error."""

    def save_model(self, request: HttpRequest, obj: SkuMapping, form: Any, change: bool) -> None:
        """Save the mapping, then warn if the warehouse has never reported its item."""
        super().save_model(request, obj, form, change)
        if obj.is_active and reservations.never_reported([(obj.warehouse_id, obj.wms_item_code)]):
            self.message_user(
                request,
                f"{obj.warehouse.place} has never reported an item {obj.wms_item_code}. If it is misspelt, orders with "
                "it wait; correct it here. If it is new, they go on once the warehouse reports its stock.",
                messages.WARNING,
            )
