"""The page on which a person says what no machine can know: whether the WMS has it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse

from fulfillment.admin.forms import IsNotThereForm, IsThereForm
from fulfillment.admin.pages import PageAdmin
from fulfillment.console.unknown_outcome import Doubt
from fulfillment.models import WmsOrder
from fulfillment.wms_orders.manual_resolution import NothingToDecide, TooEarly


class DecidingAdmin(PageAdmin):
    """Rows whose outcome may be unknown; each decision leaves a log entry with who took it."""

    def doubt(self, request: HttpRequest, row: Any) -> Doubt | None:
        """What is in question; None when nothing is."""
        raise NotImplementedError

    def part_of(self, row: Any) -> WmsOrder | None:
        """The WMS order whose id is asked for; None when the id is another thing's."""
        raise NotImplementedError

    def say_there(self, row: Any, *, as_id: str, user_id: int) -> str:
        """Record that the WMS has it; returns what follows. Raises NothingToDecide."""
        raise NotImplementedError

    def say_absent(self, row: Any, *, user_id: int) -> str:
        """Record that the WMS does not have it; returns what follows. Raises NothingToDecide, TooEarly."""
        raise NotImplementedError

    def get_urls(self) -> list[URLPattern]:
        """With the decision."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_decide"
        return [
            path("<int:pk>/decide/", self.admin_site.admin_view(self.decide), name=name),
            *super().get_urls(),
        ]

    def decision(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What templates/admin/fulfillment/decision.html shows; {} when there is nothing to decide."""
        doubt = self.doubt(request, row) if self.has_operate_permission(request) else None
        if doubt is None:
            return {}
        return {
            "doubt": doubt,
            "decision": (
                IsThereForm(self.part_of(row), auto_id="there_%s"),
                IsNotThereForm(auto_id="absent_%s"),
            ),
            "decide_url": reverse(
                f"admin:{self.opts.app_label}_{self.opts.model_name}_decide", args=[row.pk]
            ),
        }

    def decide(self, request: HttpRequest, pk: int) -> HttpResponse:
        """«It is there as …» or «It is not there»."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        user_id = request.user.pk
        if user_id is None or not self.has_operate_permission(request):
            raise PermissionDenied
        row = get_object_or_404(self.get_queryset(request), pk=pk)
        there = "there" in request.POST
        form: Form = IsThereForm(self.part_of(row), request.POST) if there else IsNotThereForm(request.POST)
        if form.is_valid():
            self._decide(request, row, as_id=form.cleaned_data.get("remote_id"), user_id=user_id)
        else:
            told = " ".join(
                f"{form.fields[name].label}: {' '.join(map(str, errors))}"
                for name, errors in form.errors.items()
            )
            self.message_user(request, f"Nothing was decided. {told}", messages.ERROR)
        return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", pk)

    def _decide(self, request: HttpRequest, row: Any, *, as_id: str | None, user_id: int) -> None:
        try:
            with transaction.atomic():
                if as_id is not None:
                    told = f"Decided: {self.say_there(row, as_id=as_id, user_id=user_id)}"
                else:
                    told = f"Decided: {self.say_absent(row, user_id=user_id)}"
                self.log(request, [row], told)
        except (NothingToDecide, TooEarly) as reason:
            self.message_user(request, f"Nothing was changed. {reason}", messages.WARNING)
            return
        self.message_user(request, told, messages.SUCCESS)
