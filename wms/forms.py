"""Forms of the admin: secrets go in and never come out, and values are as the adapters need them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from ops.secrets import mask
from wms.adapters import ADAPTERS, DECLARED, capabilities_of
from wms.adapters.base import Capability
from wms.models import Connection, Warehouse

SECRETS = ("token", "callback_secret", "callback_secret_previous")


class ConnectionForm(forms.ModelForm[Connection]):
    """A connection; an empty secret field keeps what is stored."""

    # Django's URL field wants a dot in host names; those of containers have none.
    base_url = forms.RegexField(r"^https?://\S+$", max_length=500, widget=UnfoldAdminTextInputWidget)
    adapter = forms.ChoiceField(
        choices=[(name, name) for name in ADAPTERS], initial="rest", widget=UnfoldAdminSelectWidget
    )
    capabilities = forms.MultipleChoiceField(
        choices=[(capability.value, capability.value.replace("_", " ")) for capability in Capability],
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        initial=[capability.value for capability in Capability],
        help_text="What this account can do. Untick what its WMS does not offer.",
    )

    class Meta:
        model = Connection
        fields = [
            "slug",
            "name",
            "adapter",
            "base_url",
            "token",
            "callback_secret",
            "callback_secret_previous",
            "capabilities",
            "stock_basis",
            "is_active",
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stored = {name: getattr(self.instance, name) for name in SECRETS}
        for name in SECRETS:
            if name not in self.fields:  # the page of a person who may look only
                continue
            stored = self._stored[name]
            field = self.fields[name]
            field.widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})
            field.required = name == "token" and not stored
            field.help_text = f"Set: {mask(stored)}. Leave empty to keep it." if stored else "Not set."
        if self.instance.pk and self.instance.adapter in DECLARED:
            self.initial["capabilities"] = [c.value for c in capabilities_of(self.instance)]

    def clean(self) -> dict[str, Any]:
        """Keep secrets that were not typed; a replaced callback secret stays valid as the previous one."""
        cleaned = super().clean() or self.cleaned_data
        typed = {name: cleaned.get(name) or "" for name in SECRETS}
        for name in SECRETS:
            cleaned[name] = typed[name] or self._stored[name]
        replaced = typed["callback_secret"] and typed["callback_secret"] != self._stored["callback_secret"]
        if replaced and not typed["callback_secret_previous"]:
            cleaned["callback_secret_previous"] = self._stored["callback_secret"]
        return cleaned

    def _get_validation_exclusions(self) -> set[str]:
        return {*super()._get_validation_exclusions(), "base_url"}  # type: ignore[misc]

    def clean_capabilities(self) -> list[str] | None:
        """None when it is all that the adapter declares: a later adapter may declare more."""
        chosen = set(self.cleaned_data["capabilities"])
        declared = {c.value for c in DECLARED.get(self.cleaned_data.get("adapter", ""), frozenset())}
        return None if chosen == declared else sorted(chosen)


class WarehouseForm(forms.ModelForm[Warehouse]):
    """A warehouse; countries in capitals."""

    class Meta:
        model = Warehouse
        fields = [
            "shop",
            "connection",
            "name",
            "wms_warehouse_code",
            "shopify_location_id",
            "priority",
            "serves_countries",
            "daily_capacity",
            "latitude",
            "longitude",
            "paused",
            "is_active",
        ]

    def clean_serves_countries(self) -> list[str]:
        """Two-letter codes, each once. Raises ValidationError naming the first that is none."""
        codes = sorted(
            {code.strip().upper() for code in self.cleaned_data["serves_countries"] or [] if code.strip()}
        )
        for code in codes:
            if len(code) != 2 or not code.isascii() or not code.isalpha():
                raise ValidationError(
                    f"{code} is not a country code of two letters (ISO 3166-1), such as DE."
                )
        return codes
