"""The forms for a code, or for the password."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget


class CodeForm(forms.Form):
    """A form for a code of the app or a recovery code. Spaces and hyphens in the code are ignored."""

    code = forms.CharField(
        max_length=40,
        widget=UnfoldAdminTextInputWidget(
            attrs={"autocomplete": "one-time-code", "autofocus": True, "spellcheck": "false"}
        ),
    )

    def __init__(self, *args: Any, label: str = "Code", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].label = label

    def clean_code(self) -> str:
        """Return the code without spaces and hyphens, in lower case."""
        return "".join(str(self.cleaned_data["code"]).replace("-", "").split()).lower()


class SwitchOffForm(CodeForm):
    """A form for a code or the password."""

    password = forms.CharField(
        required=False,
        label="Or your password",
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].required = False

    def clean(self) -> dict[str, Any]:
        """Require one of the two."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors and not (cleaned.get("code") or cleaned.get("password")):
            self.add_error("code", "Enter a code or your password.")
        return cleaned
