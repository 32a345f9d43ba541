"""Forms of the admin with secrets: they go in and never come out, and the history tells only those that were given."""

from __future__ import annotations

from typing import Any, TypeVar

from django import forms
from django.db.models import Model
from unfold.widgets import UnfoldAdminPasswordWidget

from ops import secrets

M = TypeVar("M", bound=Model)
CLEAR = "-"


class SecretsForm(forms.ModelForm[M]):
    """An empty secret keeps what is stored, as it is stored; a single "-" removes it."""

    REPLACED: tuple[str, str] = ("", "")
    """The field whose old value stays valid when it is replaced, and the one that takes the old value."""

    NEEDED: tuple[str, ...] = ()
    """The secrets that must be there: they can be replaced, but not removed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kept: set[str] = set()
        self._secrets = [name for name in secrets.names(self.instance) if name in self.fields]
        for name in self._secrets:
            field, shown = self.fields[name], secrets.shown(self.instance, name)
            field.widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})
            field.required = name in self.NEEDED and not shown
            field.help_text = f"{field.help_text} {self._stored(name, shown)}".strip()
            self.initial[name] = ""

    def _stored(self, name: str, shown: str) -> str:
        """What the page says of a stored secret, and what can be done with it. `shown` is "" if there is none."""
        if not shown:
            return "Not set."
        if name in self.NEEDED:
            return f"Stored: {shown}. Leave empty to keep it."
        return f"Stored: {shown}. Leave empty to keep it, “{CLEAR}” removes it."

    def clean(self) -> dict[str, Any]:
        """Leave alone what was not given, and let a replaced secret stay valid as the previous one."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        current, previous = self.REPLACED
        for name in self._secrets:
            if not cleaned.get(name):
                cleaned.pop(name, None)
                self.kept.add(name)
            elif cleaned[name] == CLEAR and name in self.NEEDED:
                self.add_error(name, "This secret can be replaced, but not removed.")
            elif cleaned[name] == CLEAR:
                cleaned[name] = ""
        old = secrets.readable(self.instance, current) if current in self._secrets else ""
        if old and cleaned.get(current, "") not in ("", old) and previous in self.kept:
            cleaned[previous] = old
            self.kept.discard(previous)
        return cleaned

    def require_again(self, *names: str, because: str) -> None:
        """An error at each of these secrets that is stored and was not given anew."""
        for name in names:
            if name in self.kept and secrets.is_set(self.instance, name):
                self.add_error(name, f"{because} Enter this secret again: what is stored does not go there.")

    def _get_validation_exclusions(self) -> set[str]:
        return {*super()._get_validation_exclusions(), *self.kept}  # type: ignore[misc]
