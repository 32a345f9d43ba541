"""What the four lists and pages share: search as pasted, a read-only page, actions row by row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

from ops.admin import ReadOnlyAdmin

MOST_AT_ONCE = 500
"""Rows that one action takes: each is a transaction of its own."""


@dataclass(frozen=True)
class Button:
    """An action of the list, offered on the row's own page."""

    action: str
    label: str


class PageAdmin(ReadOnlyAdmin):
    """A list that is searched by ids as pasted, and a page that shows all there is to know."""

    search_fields = ["pk"]  # shows the search box; what is searched is `find`
    change_form_outer_before_template = "admin/fulfillment/before.html"
    change_form_outer_after_template = "admin/fulfillment/after.html"
    find: Callable[[str], list[int]]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Model], search_term: str
    ) -> tuple[QuerySet[Model], bool]:
        """The rows that `find` names."""
        if not search_term.strip():
            return queryset, False
        return queryset.filter(pk__in=type(self).find(search_term)), False

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """With what `page` adds; the viewer's permission was checked."""
        if kwargs.get("obj") is not None:
            context.update(self.page(request, kwargs["obj"]))
        return super().render_change_form(request, context, *args, **kwargs)

    def page(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What the page shows above and below the row's own fields."""
        return {}

    def for_each(
        self,
        request: HttpRequest,
        chosen: QuerySet[Any],
        act: Callable[[Any], bool],
        *,
        done: str,
        refused: str,
    ) -> HttpResponse | None:
        """Do it row by row, each with its log entry in one transaction; say how many were done and how many not."""
        rows = list(chosen.order_by("pk")[:MOST_AT_ONCE])
        count = sum(self._do(request, row, act, done) for row in rows)
        if count:
            self.message_user(request, f"{done}: {count}.", messages.SUCCESS)
        if count < len(rows):
            self.message_user(request, f"{refused}: {len(rows) - count}.", messages.WARNING)
        if len(rows) == MOST_AT_ONCE and chosen.count() > MOST_AT_ONCE:
            rest = f"Only the first {MOST_AT_ONCE} of them were taken: do it again for the rest."
            self.message_user(request, rest, messages.WARNING)
        return self.back_to_page(request)

    @transaction.atomic
    def _do(self, request: HttpRequest, row: Model, act: Callable[[Any], bool], message: str) -> bool:
        if not act(row):
            return False
        self.log(request, [row], f"{message}.")
        return True
