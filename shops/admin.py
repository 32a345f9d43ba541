"""The console's page of a shop. It never shows secrets, and its actions only enqueue jobs or switch the shop."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from ops import secrets
from ops.admin import ConsoleAdmin
from ops.console.secret_forms import SecretsForm
from shops import jobs
from shops.access import installation
from shops.models import Shop

SECRETS = ("client_secret", "access_token", "webhook_secret", "webhook_secret_previous")


class ShopForm(SecretsForm[Shop]):
    """A form for a shop; its secrets belong to the domain for which they were entered."""

    REPLACED = ("webhook_secret", "webhook_secret_previous")

    class Meta:
        model = Shop
        fields = (
            "domain",
            "name",
            "client_id",
            *SECRETS,
            "api_version",
            "submit_policy",
            "submit_test_orders",
            "whole_orders_only",
            "routes_all_locations",
            "notify_customer",
        )

    def clean(self) -> dict[str, Any]:
        """Require all secrets again if the domain changed, so that no secret is sent to another shop."""
        cleaned = super().clean()
        if self.instance.pk and cleaned.get("domain", self.instance.domain) != self.instance.domain:
            self.require_again(*SECRETS, because="The domain is now another shop's.")
        return cleaned


@admin.register(Shop)
class ShopAdmin(ConsoleAdmin):
    """Shops: their credentials and policies, and whether they are on."""

    form = ShopForm
    switched_off_instead = True
    list_display = (
        "domain",
        "name",
        "is_active",
        "mode",
        "api_version",
        "submit_policy",
        "orders_synced_until",
    )
    list_filter = ("is_active", "submit_policy", "api_version")
    search_fields = ("domain", "name")
    readonly_fields = (
        "is_active",
        "uninstalled_at",
        "issued_token_issued_at",
        "issued_token_expires_at",
        "orders_synced_until",
        "created_at",
    )
    actions = ("switch_on", "switch_off", "check_subscriptions")
    fieldsets = (
        (None, {"fields": ("domain", "name", "is_active", "uninstalled_at", "created_at")}),
        ("Credentials", {"fields": ("client_id", "client_secret", "access_token")}),
        ("Issued token", {"fields": ("issued_token_issued_at", "issued_token_expires_at")}),
        ("Webhooks", {"fields": ("webhook_secret", "webhook_secret_previous")}),
        (
            "Orders",
            {
                "fields": (
                    "submit_policy",
                    "submit_test_orders",
                    "whole_orders_only",
                    "routes_all_locations",
                    "notify_customer",
                    "orders_synced_until",
                )
            },
        ),
        ("API", {"fields": ("api_version",)}),
    )

    @admin.display(description="credentials")
    def mode(self, shop: Shop) -> str:
        """How we get the access token."""
        if secrets.is_set(shop, "access_token"):
            return "permanent token"
        return "client credentials" if shop.client_id and secrets.is_set(shop, "client_secret") else "none"

    def save_model(self, request: HttpRequest, obj: Shop, form: Any, change: bool) -> None:
        """Save, wake work that waits for the credentials, and have the subscriptions of a new shop checked."""
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            if {*SECRETS} & set(form.changed_data):
                installation.secrets_changed(obj)
            if change and {*installation.CREDENTIALS, "domain"} & set(form.changed_data):
                installation.credentials_changed(obj)
            elif not change:
                jobs.check_subscriptions(obj)
            if change:
                installation.settings_changed(obj, form.changed_data)

    @admin.action(description="Switch on: take up the exchange again", permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[Shop]) -> None:
        """Switch shops on: waiting work continues, and subscriptions are checked."""
        self._each(request, queryset, installation.switch_on, "switched on")

    @admin.action(description="Switch off: no calls, work waits", permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[Shop]) -> None:
        """Switch shops off: nothing is lost, work waits."""
        self._each(request, queryset, installation.switch_off, "switched off")

    @admin.action(description="Check webhook subscriptions", permissions=["change"])
    def check_subscriptions(self, request: HttpRequest, queryset: QuerySet[Shop]) -> None:
        """Enqueue the check that also runs every hour."""
        self._each(request, queryset.filter(is_active=True), _enqueue_check, "subscriptions to be checked")

    def _each(self, request: HttpRequest, queryset: QuerySet[Shop], act: Any, what: str) -> None:
        done = [shop for shop in queryset if act(shop)]
        for shop in done:
            self.log_change(request, shop, what)
        self.message_user(request, f"{what}: {len(done)} shops", messages.SUCCESS)


def _enqueue_check(shop: Shop) -> bool:
    with transaction.atomic():
        jobs.check_subscriptions(shop)
    return True
