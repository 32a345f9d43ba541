"""WMS orders, and the decision that no machine can take."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from unfold.decorators import display

from fulfillment import decisions, part_pages
from fulfillment.admin.pages import PageAdmin
from fulfillment.decisions import NothingToDecide
from fulfillment.forms import IsNotThereForm, IsThereForm
from fulfillment.list_filters import WmsOrderQuestions
from fulfillment.models import WmsOrder
from fulfillment.sections import WMS_TONES, by_words, words
from fulfillment.states import Outcome


@admin.register(WmsOrder)
class WmsOrderAdmin(PageAdmin):
    """What was asked of the warehouses; here a person decides what no machine can know."""

    find = staticmethod(part_pages.find_parts)
    search_help_text = "Order name, Shopify id, external id, WMS order id: as pasted"
    list_display = [
        "external_id",
        "order",
        "warehouse",
        "standing",
        "wms_order_id",
        "outcome",
        "attempt",
        "created_at",
    ]
    list_filter = [WmsOrderQuestions, "wms_status", "warehouse"]
    sortable_by: list[str] = []
    fieldsets = [
        (None, {"fields": ["external_id", ("order", "part"), ("warehouse", "wms_order_id"), "standing"]}),
        (
            "Last attempt",
            {"fields": [("attempt", "attempt_at"), ("outcome", "decided_by"), "outcome_detail"]},
        ),
        ("When", {"fields": [("created_at", "accepted_at"), ("status_at", "cancel_requested_at")]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[WmsOrder]:
        """With what its page and its name need."""
        rows: QuerySet[WmsOrder] = super().get_queryset(request)
        return rows.select_related("order__shop", "warehouse__connection").defer("order__ship_to")

    def get_urls(self) -> list[URLPattern]:
        """With the decision."""
        view = self.admin_site.admin_view(self.decide)
        return [path("<int:pk>/decide/", view, name="fulfillment_wmsorder_decide"), *super().get_urls()]

    def page(self, request: HttpRequest, row: WmsOrder) -> dict[str, Any]:
        """Its lines and shipments, and the decision where one is needed."""
        in_question = row.outcome == Outcome.UNKNOWN and self.has_operate_permission(request)
        return {
            "shown": part_pages.wms_order(row),
            "decision": (IsThereForm(row), IsNotThereForm()) if in_question else None,
        }

    @display(description="State", label=by_words(WMS_TONES))
    def standing(self, row: WmsOrder) -> str:
        """Its state at the WMS, as a badge."""
        return words(row.wms_status)

    def decide(self, request: HttpRequest, pk: int) -> HttpResponse:
        """«It is there as …» or «It is not there, submit again»."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        user_id = request.user.pk
        if user_id is None or not self.has_operate_permission(request):
            raise PermissionDenied
        row = get_object_or_404(self.get_queryset(request), pk=pk)
        there = "there" in request.POST
        form: Form = IsThereForm(row, request.POST) if there else IsNotThereForm(request.POST)
        if form.is_valid():
            self._decide(request, row, as_id=form.cleaned_data.get("wms_order_id"), user_id=user_id)
        else:
            told = " ".join(str(each) for errors in form.errors.values() for each in errors)
            self.message_user(request, f"Nothing was decided. {told}", messages.ERROR)
        return redirect("admin:fulfillment_wmsorder_change", pk)

    def _decide(self, request: HttpRequest, row: WmsOrder, *, as_id: str | None, user_id: int) -> None:
        try:
            with transaction.atomic():
                if as_id is not None:
                    decisions.is_there(row.pk, as_id=as_id, user_id=user_id)
                    told = f"Decided: the WMS has it as {as_id}."
                else:
                    again = decisions.is_not_there(row.pk, user_id=user_id)
                    follows = "it is submitted again" if again else "the order was cancelled, it ends here"
                    told = f"Decided: the WMS does not have it; {follows}."
                self.log(request, [row], told)
        except NothingToDecide:
            self.message_user(request, "It is not in question any more: nothing changed.", messages.WARNING)
            return
        self.message_user(request, told, messages.SUCCESS)
