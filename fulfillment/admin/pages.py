"""What the four lists and pages share: a search by any id, a read-only page, and actions row by row."""

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
"""The most rows that one action takes. Each row is a transaction of its own."""


@dataclass(frozen=True)
class Button:
    """An action of the list that the row's own page offers too."""

    action: str
    label: str


class PageAdmin(ReadOnlyAdmin):
    """A list with a search by any id, and a page that shows all that we know of a row."""

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
        """Add the context of `page`. The viewer's permission was checked."""
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
        """Do `act` to each chosen row, and say to how many it was done and to how many not.

        Each row and its log entry are a transaction of their own. `act` returns whether it did anything.
        """
        rows = list(chosen.order_by("pk")[:MOST_AT_ONCE])
        count = sum(self._act_and_log(request, row, act, done) for row in rows)
        if count:
            self.message_user(request, f"{done}: {count}.", messages.SUCCESS)
        if count < len(rows):
            self.message_user(request, f"{refused}: {len(rows) - count}.", messages.WARNING)
        if len(rows) == MOST_AT_ONCE and chosen.count() > MOST_AT_ONCE:
            rest = f"Only the first {MOST_AT_ONCE} of them were taken. Do it again for the rest."
            self.message_user(request, rest, messages.WARNING)
        return self.back_to_page(request)

    @transaction.atomic
    def _act_and_log(
        self, request: HttpRequest, row: Model, act: Callable[[Any], bool], message: str
    ) -> bool:
        """Do `act` to a row, and leave a log entry if it did anything; returns whether it did."""
        if not act(row):
            return False
        self.log(request, [row], f"{message}.")
        return True
