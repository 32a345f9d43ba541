"""Lists of rows that machines write: read, searched, acted upon, never edited."""

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
    """For a page: the theme would colour JSON with styles in the page, which the Content-Security-Policy forbids."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return format_html('<pre class="max-h-96 overflow-auto text-xs whitespace-pre-wrap">{}</pre>', text)


class ReadOnlyAdmin(ConsoleAdmin):
    """Rows that machines write: nobody adds, edits or deletes them here. Never counts a big table."""

    paginator = InfinitePaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody; those who may change the model may use its actions."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody."""
        return False

    def has_operate_permission(self, request: HttpRequest, *_: object) -> bool:
        """Who may use the actions: whoever was given the model's change permission."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The rows are not counted: templates/admin/actions.html offers «all that match» without a number."""
        told = {"uncounted": True, "selection_note_all": "All that match are selected"}
        return super().changelist_view(request, {**told, **(extra_context or {})})

    def log(self, request: HttpRequest, chosen: Iterable[Model], message: str) -> None:
        """Leave a log entry for each."""
        LogEntry.objects.log_actions(int(str(request.user.pk)), list(chosen), CHANGE, change_message=message)

    def back_to_page(self, request: HttpRequest) -> HttpResponse | None:
        """To the row's own page when the action's button was pressed there, else None: the list."""
        page = request.POST.get("page", "")
        here = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return redirect(here, page) if page.isdecimal() else None
