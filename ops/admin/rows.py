"""The base class of pages with rows that the application writes: people read and search them, and use actions."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html
from unfold.paginator import InfinitePaginator

from ops.admin.console import ConsoleAdmin


def as_json(value: Any) -> str:
    """Show a value as JSON. The theme would colour it with inline styles, which the Content-Security-Policy forbids."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return format_html('<pre class="max-h-96 overflow-auto text-xs whitespace-pre-wrap">{}</pre>', text)


class ReadOnlyAdmin(ConsoleAdmin):
    """Pages of rows that the application writes. Nobody adds, edits or deletes them, and a big table is never
    counted."""

    paginator = InfinitePaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody may add a row."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody may edit a row. Who has the permission to change the model may use its actions."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody may delete a row."""
        return False

    def has_operate_permission(self, request: HttpRequest, *_: object) -> bool:
        """Whether the user may use the actions: they need the permission to change the model."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Show the list without counting the rows. templates/admin/actions.html offers «all that match» without a
        number."""
        context = {"uncounted": True, "selection_note_all": "All that match are selected"}
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def log(self, request: HttpRequest, chosen: Iterable[Model], message: str) -> None:
        """Write a log entry for each row."""
        LogEntry.objects.log_actions(int(str(request.user.pk)), list(chosen), CHANGE, change_message=message)

    def back_to_page(self, request: HttpRequest) -> HttpResponse | None:
        """Redirect to the page of the row if the button was pressed there. None means the list."""
        page = request.POST.get("page", "")
        here = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return redirect(here, page) if page.isdecimal() else None
