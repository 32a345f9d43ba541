"""The client, the budget and the registration against the simulated Shopify, over HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from ops.errors import Throttled
from ops.models import Alert, Priority
from shops import jobs as shop_jobs
from shops.api import client
from shops.models import Shop
from shops.webhooks import subscriptions
from shops.webhooks.topics import SUBSCRIBED, TOPICS
from tests.builders import make_shop
from tests.drain import drain
from tests.world import Sandbox, sandbox_process

pytestmark = pytest.mark.django_db(transaction=True)

DOMAIN = "berlin.myshopify.com"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with sandbox_process() as running:
        yield running


@pytest.fixture(autouse=True)
def at_the_sandbox(sandbox: Sandbox, settings: Any) -> None:
    sandbox.reset()
    settings.SHOPIFY_ADMIN_URL = sandbox.shopify.root + "/{domain}"


def open_shop(sandbox: Sandbox, *, granted: bool = False, **changes: Any) -> Shop:
    """The same shop at both ends: with a static token, or one that grants tokens."""
    credentials = {"client_id": "cid", "client_secret": "csec"} if granted else {"access_token": "shpat_test"}
    remote = {"domain": DOMAIN, "locations": [{"id": 101, "name": "Berlin", "country": "DE"}], "variants": []}
    sandbox.shopify.post("/shops", {**remote, **credentials, **changes})
    return make_shop(DOMAIN, **{"access_token": "", **credentials})


def books(sandbox: Sandbox) -> dict[str, Any]:
    found: dict[str, Any] = sandbox.shopify.get("/books")["shops"][DOMAIN]
    return found


@pytest.mark.parametrize("version", ["2026-10", "2026-07"])
def test_a_shop_is_read(sandbox: Sandbox, version: str) -> None:
    shop = open_shop(sandbox)
    shop.api_version = version
    assert client.execute(shop, "shop", {}).data["shop"]["myshopifyDomain"] == DOMAIN
    assert not Alert.objects.exists()


def test_a_retired_version_is_told(sandbox: Sandbox) -> None:
    shop = open_shop(sandbox)
    shop.api_version = "2024-01"
    client.execute(shop, "shop", {})
    assert Alert.objects.get().kind == "shopify_version_fell_forward"


def test_a_token_is_granted_once_and_renewed_when_it_is_revoked(sandbox: Sandbox) -> None:
    shop = open_shop(sandbox, granted=True)
    for _ in range(3):
        client.execute(shop, "shop", {})
    assert books(sandbox)["tokens_issued"] == 1
    sandbox.shopify.post(f"/shops/{DOMAIN}/token", {"access_token": None})
    client.execute(shop, "shop", {})
    assert books(sandbox)["tokens_issued"] == 2


def test_subscriptions_are_registered_and_stay(sandbox: Sandbox) -> None:
    shop = open_shop(sandbox)
    report = subscriptions.register(shop, base_url="https://bridge.example.com")
    assert report.refused == ()
    served = {each["topic"]: each["uri"] for each in books(sandbox)["subscriptions"]}
    assert len(served) == len(SUBSCRIBED)
    assert set(served.values()) == {"https://bridge.example.com/webhooks/shopify/"}
    assert subscriptions.register(shop, base_url="https://bridge.example.com") == subscriptions.Report()
    moved = subscriptions.register(shop, base_url="https://new.example.com")
    assert set(moved.corrected) == {TOPICS[name].enum for name in SUBSCRIBED}


def test_an_uninstalled_app_switches_the_shop_off(sandbox: Sandbox) -> None:
    shop = open_shop(sandbox, granted=True)
    client.execute(shop, "shop", {})
    sandbox.shopify.post(f"/shops/{DOMAIN}/uninstall")
    shop_jobs.check_installed(shop)
    drain()
    assert not Shop.objects.get().is_active


def test_many_workers_under_load_earn_no_throttled_answer(sandbox: Sandbox) -> None:
    shop = open_shop(sandbox, bucket={"max": 1000, "restore": 100})
    subscriptions.register(shop, base_url="https://bridge.example.com")
    until, done = time.monotonic() + 2.0, []

    def work() -> None:
        while time.monotonic() < until:
            try:
                client.execute(shop, "webhook_subscriptions", {"after": None}, priority=Priority.NORMAL)
                done.append(1)
            except Throttled as error:
                time.sleep(min(error.wait.total_seconds(), 0.05))
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = books(sandbox)
    assert kept["throttled"] == 0
    assert kept["lowest_available"] < 300  # so it was the budget that held them back
    assert len(done) >= 20
