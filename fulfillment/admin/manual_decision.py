"""The page on which a person decides whether a WMS has an order or a return, because no machine can know."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse

from fulfillment.admin.forms import AbsentForm, PresentForm
from fulfillment.admin.pages import PageAdmin
from fulfillment.console.unknown_outcome import PendingDecision
from fulfillment.models import WmsOrder
from fulfillment.wms_orders.manual_resolution import NothingToDecide, TooEarly


class DecidingAdmin(PageAdmin):
    """Pages of rows whose outcome may be unknown. The log entry of a decision says who took it."""

    def pending_decision(self, request: HttpRequest, row: Any) -> PendingDecision | None:
        """The decision that a person has to take; None if there is none."""
        raise NotImplementedError

    def wms_order_of(self, row: Any) -> WmsOrder | None:
        """The WMS order whose id the form asks for; None if it asks for the id of a return."""
        raise NotImplementedError

    def confirm_present(self, row: Any, *, as_id: str, user_id: int) -> str:
        """Record that the WMS has it; returns what follows, for staff. Raises NothingToDecide."""
        raise NotImplementedError

    def confirm_absent(self, row: Any, *, user_id: int) -> str:
        """Record that the WMS does not have it; returns what follows, for staff. Raises NothingToDecide, TooEarly."""
        raise NotImplementedError

    def get_urls(self) -> list[URLPattern]:
        """Add the address to which the decision is posted."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_decide"
        return [
            path("<int:pk>/decide/", self.admin_site.admin_view(self.decide), name=name),
            *super().get_urls(),
        ]

    def decision(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """The context of templates/admin/fulfillment/decision.html; {} if there is nothing to decide."""
        pending = self.pending_decision(request, row) if self.has_operate_permission(request) else None
        if pending is None:
            return {}
        return {
            "pending": pending,
            "decision": (
                PresentForm(self.wms_order_of(row), auto_id="there_%s"),
                AbsentForm(auto_id="absent_%s"),
            ),
            "decide_url": reverse(
                f"admin:{self.opts.app_label}_{self.opts.model_name}_decide", args=[row.pk]
            ),
        }

    def decide(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Take the answer «It is there as …» or «It is not there»."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        user_id = request.user.pk
        if user_id is None or not self.has_operate_permission(request):
            raise PermissionDenied
        row = get_object_or_404(self.get_queryset(request), pk=pk)
        there = "there" in request.POST
        form: Form = PresentForm(self.wms_order_of(row), request.POST) if there else AbsentForm(request.POST)
        if form.is_valid():
            self._decide(request, row, as_id=form.cleaned_data.get("remote_id"), user_id=user_id)
        else:
            problems = " ".join(
                f"{form.fields[name].label}: {' '.join(map(str, errors))}"
                for name, errors in form.errors.items()
            )
            self.message_user(request, f"Nothing was decided. {problems}", messages.ERROR)
        return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", pk)

    def _decide(self, request: HttpRequest, row: Any, *, as_id: str | None, user_id: int) -> None:
        """Record the answer and its log entry, and say what follows. `as_id` None: it is not there."""
        try:
            with transaction.atomic():
                if as_id is not None:
                    result = f"Decided: {self.confirm_present(row, as_id=as_id, user_id=user_id)}"
                else:
                    result = f"Decided: {self.confirm_absent(row, user_id=user_id)}"
                self.log(request, [row], result)
        except (NothingToDecide, TooEarly) as reason:
            self.message_user(request, f"Nothing was changed. {reason}", messages.WARNING)
            return
        self.message_user(request, result, messages.SUCCESS)
