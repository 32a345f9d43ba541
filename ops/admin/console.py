"""The base class of all admin pages of the console."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import flatten_fieldsets
from django.core.exceptions import BadRequest, FieldDoesNotExist, ImproperlyConfigured
from django.core.paginator import Paginator
from django.db.models import Field, Model, QuerySet
from django.http import HttpRequest, QueryDict
from unfold.admin import ModelAdmin
from unfold.dataclasses import UnfoldAction

from ops.secrets import EncryptedTextField, mask


class ConsoleAdmin(ModelAdmin):
    """The base of all admin pages. An action that names no permission is open to nobody, and secrets are always
    masked."""

    switched_off_instead = False
    """Set this if other rows depend on these. Then nobody can delete them: Django would refuse only after its
    question."""

    empty_words: Mapping[str, str] = {}
    """What a filtered list says if it is empty and that is good news, by the query of the filter."""

    only_on_page: Sequence[str] = ()
    """Large fields that only the page of a row needs. Lists do not read them."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Leave the fields of `only_on_page` out in a list."""
        rows: QuerySet[Any] = super().get_queryset(request)
        is_page = request.resolver_match is not None and "object_id" in request.resolver_match.kwargs
        return rows if is_page else rows.defer(*self.only_on_page)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Add what an empty list says. Raises IncorrectLookupParameters, after which Django shows the whole list."""
        if _holds_nul(request.GET):
            raise IncorrectLookupParameters
        found = super().get_changelist_instance(request)
        query, names = request.META.get("QUERY_STRING", ""), self.opts.verbose_name_plural
        otherwise = f"No {names} match this." if query else f"There are no {names} yet."
        found.nothing_here = self.empty_words.get(query, otherwise)
        return found

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Raises BadRequest for U+0000, which no browser sends and Postgres cannot look for."""
        if _holds_nul(request.POST):
            raise BadRequest("a field holds U+0000")
        return super().changelist_view(request, extra_context)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody may delete a row that is switched off instead."""
        return not self.switched_off_instead and bool(super().has_delete_permission(request, obj))

    def _filter_actions_by_permissions(self, request: HttpRequest, actions: Any) -> list[Any]:
        """Leave out actions that name no permission, and then those that the user may not use."""
        named = [each for each in actions if getattr(each[0], "allowed_permissions", None)]
        return list(super()._filter_actions_by_permissions(request, named))

    def get_unfold_action(self, action: str) -> UnfoldAction:
        """Raises ImproperlyConfigured at the start for a button or a page that names no permission."""
        found = super().get_unfold_action(action)
        if not getattr(found.method, "allowed_permissions", None):
            raise ImproperlyConfigured(f"{type(self).__name__}.{action} names no permission")
        return found

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """The fieldsets for this user and row.

        A new row has no read-only fields, because only the database knows their values. A user who may not change the
        row would see secrets as plain text, so they are masked.
        """
        found = super().get_fieldsets(request, obj)
        if obj is None:
            left_out = {name for name in self.get_readonly_fields(request) if self._field(name)}
            return _without(found, left_out)
        if self.has_change_permission(request, obj):
            return found
        named = {name: self._field(name) for name in flatten_fieldsets(found)}
        secrets = {name: field for name, field in named.items() if isinstance(field, EncryptedTextField)}
        return _replaced(found, {name: _masked(field) for name, field in secrets.items()})

    def get_paginator(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **kwargs: Any
    ) -> Paginator[Any]:
        """Count the log entries of a row exactly, even if the rows of the model are too many to be counted."""
        if queryset.model is LogEntry:
            return Paginator(queryset, *args, **kwargs)
        return super().get_paginator(request, queryset, *args, **kwargs)

    def _field(self, name: Any) -> Field[Any, Any] | None:
        try:
            found = self.opts.get_field(name)
        except FieldDoesNotExist:
            return None
        return found if isinstance(found, Field) else None


def _holds_nul(sent: QueryDict) -> bool:
    return any("\x00" in value for _, values in sent.lists() for value in values)


def _masked(field: Field[Any, Any]) -> Callable[[Model], str]:
    """Return a read-only field that shows a secret masked."""

    @admin.display(description=str(field.verbose_name))
    def shown(row: Model) -> str:
        stored = getattr(row, field.name)
        return mask(stored) if stored else "not set"

    return shown


def _without(fieldsets: Any, names: set[Any]) -> list[Any]:
    kept = [
        (title, {**options, "fields": _each(options["fields"], lambda name: None if name in names else name)})
        for title, options in fieldsets
    ]
    return [(title, options) for title, options in kept if options["fields"]]


def _replaced(fieldsets: Any, by: dict[Any, Any]) -> list[Any]:
    return [
        (title, {**options, "fields": _each(options["fields"], lambda name: by.get(name, name))})
        for title, options in fieldsets
    ]


def _each(fields: Any, change: Callable[[Any], Any]) -> list[Any]:
    """Change each field, also inside a line of several fields. None and empty lines are left out."""
    done = (
        tuple(filter(None, map(change, each))) if isinstance(each, list | tuple) else change(each)
        for each in fields
    )
    return [each for each in done if each]
