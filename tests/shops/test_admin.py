"""The shop's page: secrets never come out, an empty field keeps them."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from ops.models import Alert, Job
from shops.access import installation
from shops.models import Shop
from tests.builders import make_shop

LIST = "/admin/shops/shop/"


@pytest.fixture
def shop(db: None) -> Shop:
    return make_shop(client_id="cid", client_secret="client-secret-123", webhook_secret="webhook-secret-9876")


def save(client: Client, shop: Shop, **changes: str) -> Any:
    form = {
        "domain": shop.domain,
        "client_id": shop.client_id,
        "api_version": "2026-10",
        "submit_policy": "paid",
        "notify_customer": "on",
        **changes,
    }
    return client.post(f"{LIST}{shop.pk}/change/", form)


def act(client: Client, action: str, *shops: Shop) -> None:
    sent: dict[str, Any] = {"action": action, "_selected_action": [shop.pk for shop in shops]}
    assert client.post(LIST, sent).status_code == 302


def test_secrets_are_masked(admin_client: Client, shop: Shop) -> None:
    page = admin_client.get(f"{LIST}{shop.pk}/change/").content.decode()
    assert "••••9876" in page
    for secret in ("client-secret-123", "webhook-secret-9876", "shpat_test"):
        assert secret not in page


def test_empty_fields_keep_the_secrets(admin_client: Client, shop: Shop) -> None:
    assert save(admin_client, shop, name="Berlin").status_code == 302
    saved = Shop.objects.get()
    assert (saved.name, saved.client_secret, saved.webhook_secret) == (
        "Berlin",
        "client-secret-123",
        "webhook-secret-9876",
    )


def test_a_dash_removes_a_secret(admin_client: Client, shop: Shop) -> None:
    save(admin_client, shop, access_token="-")
    assert Shop.objects.get().access_token == ""


def test_the_page_says_what_can_be_done_with_each_secret(admin_client: Client, shop: Shop) -> None:
    page = admin_client.get(f"{LIST}{shop.pk}/change/")
    told = {name: field.help_text for name, field in page.context["adminform"].form.fields.items()}
    assert told["client_secret"].endswith("Stored: ••••-123. Leave empty to keep it, “-” removes it.")
    assert told["webhook_secret_previous"].endswith("Not set.")


def test_a_replaced_webhook_secret_stays_valid_as_the_previous_one(admin_client: Client, shop: Shop) -> None:
    save(admin_client, shop, webhook_secret="rotated")
    assert Shop.objects.get().hmac_secrets == ["rotated", "webhook-secret-9876"]


def test_changed_credentials_forget_the_issued_token(admin_client: Client, shop: Shop) -> None:
    Shop.objects.update(issued_token="old")
    save(admin_client, shop, client_secret="corrected")
    assert Shop.objects.get().issued_token == ""


def test_saving_without_changing_credentials_keeps_the_issued_token(admin_client: Client, shop: Shop) -> None:
    Shop.objects.update(issued_token="valid")
    save(admin_client, shop, name="Berlin")
    assert Shop.objects.get().issued_token == "valid"


def test_switching_off_and_on_leaves_a_trail(admin_client: Client, shop: Shop) -> None:
    installation.uninstalled(shop)
    act(admin_client, "switch_on", shop)
    assert Shop.objects.get().is_active
    assert not Alert.objects.filter(state=Alert.State.OPEN).exists()
    act(admin_client, "switch_off", shop)
    assert not Shop.objects.get().is_active
    assert LogEntry.objects.count() == 2


def test_a_check_of_subscriptions_is_only_enqueued(admin_client: Client, shop: Shop) -> None:
    act(admin_client, "check_subscriptions", shop)
    assert Job.objects.get().kind == "shops.check_subscriptions"


def test_a_shop_cannot_be_deleted(admin_client: Client, shop: Shop) -> None:
    assert admin_client.post(f"{LIST}{shop.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Shop.objects.exists()


def test_stored_secrets_do_not_follow_another_domain(admin_client: Client, shop: Shop) -> None:
    before = Shop.objects.get(pk=shop.pk)
    answer = save(admin_client, shop, domain="attacker-owned.myshopify.com")
    assert "Enter this secret again" in answer.content.decode()
    shop.refresh_from_db()
    assert (shop.domain, shop.access_token) == (before.domain, before.access_token)


@pytest.mark.parametrize("version", ["../../x", "x@evil/", "2026-10\r\nX", "2026-11", "latest"])
def test_a_version_that_shopify_has_not_is_refused(admin_client: Client, shop: Shop, version: str) -> None:
    answer = save(admin_client, shop, api_version=version)
    assert answer.status_code == 200
    assert Shop.objects.get(pk=shop.pk).api_version == "2026-10"
