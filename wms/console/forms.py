"""Forms for connections and warehouses. They never show secrets, and bring values into the form that adapters need."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
)

from ops.console.secret_forms import SecretsForm
from ops.text import moments
from wms.adapters import ADAPTERS, DECLARED, capabilities_of
from wms.adapters.base import Capability
from wms.availability import access
from wms.models import Connection, Warehouse


class ConnectionForm(SecretsForm[Connection]):
    """A form for a connection; an empty secret field keeps the stored secret while the address has the same host."""

    REPLACED = ("callback_secret", "callback_secret_previous")
    NEEDED = ("token",)

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
    time_zone = forms.ChoiceField(
        choices=lambda: [(name, name) for name in moments.zone_names()],
        initial="UTC",
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text=Connection._meta.get_field("time_zone").help_text,
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
            "time_zone",
            "is_active",
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and self.instance.adapter in DECLARED:
            self.initial["capabilities"] = [c.value for c in capabilities_of(self.instance)]

    def clean(self) -> dict[str, Any]:
        """Require the token again if the address has another host than the one for which it was entered."""
        cleaned = super().clean()
        if self.instance.pk and access.is_moved(
            self.instance, to=cleaned.get("base_url", self.instance.base_url)
        ):
            self.require_again("token", because="The address is now another host's.")
        return cleaned

    def clean_time_zone(self) -> str:
        """Keep the stored time zone if none was chosen."""
        return self.cleaned_data["time_zone"] or self.instance.time_zone

    def clean_capabilities(self) -> list[str] | None:
        """Return None if all capabilities of the adapter are chosen, because a later version may declare more."""
        chosen = set(self.cleaned_data["capabilities"])
        declared = {c.value for c in DECLARED.get(self.cleaned_data.get("adapter", ""), frozenset())}
        return None if chosen == declared else sorted(chosen)


class WarehouseForm(forms.ModelForm[Warehouse]):
    """A form for a warehouse; it stores country codes in capitals."""

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
        """Return the two-letter codes, each once. Raises ValidationError with the first that is none."""
        codes = sorted(
            {code.strip().upper() for code in self.cleaned_data["serves_countries"] or [] if code.strip()}
        )
        for code in codes:
            if len(code) != 2 or not code.isascii() or not code.isalpha():
                raise ValidationError(
                    f"{code} is not a country code of two letters (ISO 3166-1), such as DE."
                )
        return codes
