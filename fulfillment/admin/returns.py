"""Returns."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from fulfillment import part_pages
from fulfillment.admin.pages import PageAdmin
from fulfillment.models import Return
from fulfillment.sections import RETURN_TONES, by_words, words


@admin.register(Return)
class ReturnAdmin(PageAdmin):
    """Goods that come back."""

    find = staticmethod(part_pages.find_returns)
    search_help_text = "The WMS's return id, external id, WMS order id, order name: as pasted"
    list_display = [
        "wms_return_id",
        "external_id",
        "order",
        "standing",
        "reason",
        "requested_at",
        "received_at",
    ]
    list_display_links = ["wms_return_id", "external_id"]
    list_filter = ["state"]
    sortable_by: list[str] = []
    fieldsets = [
        (None, {"fields": ["external_id", "wms_return_id", "order", "standing", "reason", "label_url"]}),
        ("When", {"fields": ["requested_at", "received_at"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Return]:
        """With its order, but nothing of the customer."""
        rows: QuerySet[Return] = super().get_queryset(request)
        return rows.select_related("wms_order__order__shop").defer("wms_order__order__ship_to")

    def page(self, request: HttpRequest, row: Return) -> dict[str, Any]:
        """What is to come back, and what came."""
        return {"shown": part_pages.goods_back(row)}

    @display(description="State", label=by_words(RETURN_TONES))
    def standing(self, row: Return) -> str:
        """Its state, as a badge."""
        return words(row.state)

    @admin.display(description="Order")
    def order(self, row: Return) -> str:
        """The order it belongs to."""
        return row.wms_order.order.name
