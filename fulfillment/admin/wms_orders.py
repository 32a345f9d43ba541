"""WMS orders, and the decision whether the WMS has one."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from fulfillment.admin.list_filters import WmsOrderQuestions
from fulfillment.admin.manual_decision import DecidingAdmin
from fulfillment.console import part_pages, unknown_outcome
from fulfillment.console.sections import WMS_TONES, by_words, words
from fulfillment.models import WmsOrder
from fulfillment.models.states import Outcome
from fulfillment.wms_orders import manual_resolution
from wms.console.list_filters import WarehouseFilter
from wms.ids import RemoteOrderId


@admin.register(WmsOrder)
class WmsOrderAdmin(DecidingAdmin):
    """What warehouses were asked to send."""

    find = staticmethod(part_pages.find_parts)
    search_help_text = "Order name, Shopify id, external id, WMS order id: as pasted"
    list_display = [
        "external_id",
        "order",
        "warehouse",
        "state_label",
        "remote_id",
        "outcome",
        "attempt",
        "created_at",
    ]
    list_filter = [WmsOrderQuestions, "wms_status", ("warehouse", WarehouseFilter)]
    sortable_by: list[str] = []
    fieldsets = [
        (None, {"fields": ["external_id", ("order", "part"), ("warehouse", "remote_id"), "state_label"]}),
        (
            "Last attempt",
            {"fields": [("attempt", "attempt_at"), ("outcome", "decided_by"), "outcome_detail"]},
        ),
        ("When", {"fields": [("created_at", "accepted_at", "lag"), ("status_at", "cancel_requested_at")]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[WmsOrder]:
        """With what their pages and names need."""
        rows: QuerySet[WmsOrder] = super().get_queryset(request)
        return rows.select_related("order__shop", "warehouse__shop", "warehouse__connection").defer(
            "order__ship_to"
        )

    def page(self, request: HttpRequest, row: WmsOrder) -> dict[str, Any]:
        """Its lines and shipments, and the decision if one is needed."""
        return {"shown": part_pages.wms_order(row), **self.decision(request, row)}

    @display(description="State", label=by_words(WMS_TONES))
    def state_label(self, row: WmsOrder) -> str:
        """Its state at the WMS, as a badge."""
        return words(row.wms_status)

    def pending_decision(self, request: HttpRequest, row: WmsOrder) -> unknown_outcome.PendingDecision | None:
        """Whether the WMS has the order; None if that is known."""
        if row.outcome != Outcome.UNKNOWN:
            return None
        return unknown_outcome.of_order(
            row, with_personal_data=request.user.has_perm("fulfillment.view_personal_data")
        )

    def wms_order_of(self, row: WmsOrder) -> WmsOrder:
        """The WMS order itself."""
        return row

    def confirm_present(self, row: WmsOrder, *, as_id: str, user_id: int) -> str:
        """Record that the WMS has the order under this id. Raises NothingToDecide."""
        manual_resolution.confirm_present(row.id, as_id=RemoteOrderId(as_id), user_id=user_id)
        return f"the WMS has it as {as_id}."

    def confirm_absent(self, row: WmsOrder, *, user_id: int) -> str:
        """Have the order submitted again if it is still wanted. Raises NothingToDecide, TooEarly."""
        again = manual_resolution.confirm_absent(row.id, user_id=user_id)
        follows = (
            "it is submitted again, if it is still wanted"
            if again
            else "the order was cancelled, so it ends here"
        )
        return f"the WMS does not have it; {follows}."
