"""Returns."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from fulfillment.admin.manual_decision import DecidingAdmin
from fulfillment.console import part_pages, unknown_outcome
from fulfillment.console.sections import RETURN_TONES, by_words, words
from fulfillment.models import Return
from fulfillment.models.states import ReturnState
from fulfillment.wms_orders import manual_resolution
from wms.ids import RemoteReturnId


@admin.register(Return)
class ReturnAdmin(DecidingAdmin):
    """Goods that come back."""

    find = staticmethod(part_pages.find_returns)
    search_help_text = "The WMS's return id, external id, WMS order id, order name: as pasted"
    list_display = [
        "remote_id",
        "external_id",
        "order",
        "state_label",
        "reason",
        "requested_at",
        "received_at",
    ]
    list_display_links = ["remote_id", "external_id"]
    list_filter = ["state"]
    sortable_by: list[str] = []
    fieldsets = [
        (None, {"fields": ["external_id", "remote_id", "order", "state_label", "reason", "label_url"]}),
        ("When", {"fields": ["requested_at", "attempt_at", "received_at", "reported_at"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Return]:
        """With their orders, but without customers' data."""
        rows: QuerySet[Return] = super().get_queryset(request)
        of_part = rows.select_related("wms_order__order__shop", "wms_order__warehouse__connection")
        return of_part.defer("wms_order__order__ship_to")

    def page(self, request: HttpRequest, row: Return) -> dict[str, Any]:
        """What is expected and what arrived, and the decision if one is needed."""
        return {"shown": part_pages.returned_goods(row), **self.decision(request, row)}

    def pending_decision(self, request: HttpRequest, row: Return) -> unknown_outcome.PendingDecision | None:
        """Whether the WMS expects the return; None if that is known."""
        return unknown_outcome.of_return(row) if row.state == ReturnState.UNKNOWN else None

    def wms_order_of(self, row: Return) -> None:
        """None: the form asks for the id of a return."""

    def confirm_present(self, row: Return, *, as_id: str, user_id: int) -> str:
        """Record that the WMS expects the return. Raises NothingToDecide."""
        manual_resolution.confirm_return_present(row.id, as_id=RemoteReturnId(as_id), user_id=user_id)
        return f"the WMS has it as {as_id}."

    def confirm_absent(self, row: Return, *, user_id: int) -> str:
        """Have the return announced again. Raises NothingToDecide, TooEarly."""
        manual_resolution.confirm_return_absent(row.id, user_id=user_id)
        return "the WMS does not have it; it is announced again."

    @display(description="State", label=by_words(RETURN_TONES))
    def state_label(self, row: Return) -> str:
        """Its state, as a badge."""
        return words(row.state)

    @admin.display(description="Order")
    def order(self, row: Return) -> str:
        """The order it belongs to."""
        return str(row.wms_order.order)
