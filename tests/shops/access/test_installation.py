"""A shop goes and comes back; unknown notices; ids."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import responses
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from ops.errors import AccessRefused
from ops.models import Alert, Job
from shops import jobs as shop_jobs
from shops import tasks
from shops.access import installation
from shops.api import client as shopify_client
from shops.api import documents, gids
from shops.ids import ShopifyOrderId
from shops.jobs import CHECK_INSTALLED
from shops.models import Shop
from shops.refs import shop_key
from tests.builders import make_shop
from tests.drain import drain
from tests.parked import is_parked, park
from tests.shops.webhooks.delivery import deliver

GRAPHQL = "https://berlin.myshopify.com/admin/api/2026-10/graphql.json"
LIVE = pytest.mark.django_db(transaction=True)


@LIVE
def test_an_uninstalled_app_switches_its_shop_off_and_tells_staff(
    client: Client, shopify: responses.RequestsMock
) -> None:
    shopify.post(GRAPHQL, status=401)
    make_shop()
    deliver(client, {"id": 1, "domain": None}, topic="app/uninstalled")
    drain()
    shop = Shop.objects.get()
    assert not shop.is_active
    assert shop.uninstalled_at is not None
    assert Alert.objects.get().kind == "shop_uninstalled"


@LIVE
def test_other_work_that_is_refused_meanwhile_raises_no_alert_of_its_own(
    client: Client, shopify: responses.RequestsMock
) -> None:
    shopify.post(GRAPHQL, status=401)
    shop = make_shop()
    deliver(client, {"id": 1}, topic="app/uninstalled")
    with pytest.raises(AccessRefused):
        shopify_client.execute(shop, "shop", {})
    assert not Alert.objects.exists()
    drain()
    with pytest.raises(AccessRefused):
        shopify_client.execute(shop, "shop", {})
    assert Alert.objects.get().kind == "shop_uninstalled"


def gone(shopify: responses.RequestsMock, *, since: timedelta = timedelta(0)) -> Shop:
    """A shop from which the app was removed."""
    shop = make_shop()
    installation.uninstalled(shop)
    Shop.objects.update(uninstalled_at=timezone.now() - since)
    shopify.post(GRAPHQL, json={"data": {"shop": {"id": "gid://shopify/Shop/1"}}})
    return shop


def ask_again() -> None:
    tasks.check_subscriptions_all()
    tasks.check_installed(CHECK_INSTALLED.read(Job.objects.get(kind=CHECK_INSTALLED.name).payload))


@LIVE
def test_a_shop_that_has_the_app_again_goes_on_by_itself(shopify: responses.RequestsMock) -> None:
    gone(shopify)
    ask_again()
    shop = Shop.objects.get()
    assert (shop.is_active, shop.uninstalled_at) == (True, None)
    assert Alert.objects.get().state == Alert.State.CLOSED
    waiting = set(Job.objects.filter(state=Job.State.READY).values_list("kind", flat=True))
    assert {"shops.check_subscriptions", "shopify.notices_lost"} <= waiting


@LIVE
def test_one_that_still_refuses_us_stays_off_without_another_alert(shopify: responses.RequestsMock) -> None:
    gone(shopify)
    shopify.reset()
    shopify.post(GRAPHQL, status=401)
    ask_again()
    assert not Shop.objects.get().is_active
    assert (Alert.objects.get().kind, Alert.objects.get().count) == ("shop_uninstalled", 1)


def test_one_that_is_gone_for_months_is_not_asked_any_more(shopify: responses.RequestsMock, db: None) -> None:
    gone(shopify, since=tasks.TRIED_AFTER_REMOVAL)
    tasks.check_subscriptions_all()
    assert not Job.objects.filter(kind=CHECK_INSTALLED.name).exists()


def test_a_person_who_switches_it_off_closes_the_matter(shopify: responses.RequestsMock, db: None) -> None:
    shop = gone(shopify)
    assert installation.switch_off(shop)
    assert Alert.objects.get().state == Alert.State.CLOSED
    tasks.check_subscriptions_all()
    assert not Job.objects.filter(kind=CHECK_INSTALLED.name).exists()
    assert not installation.installed_again(shop)


def test_new_credentials_take_it_up_again(shopify: responses.RequestsMock, db: None) -> None:
    shop = gone(shopify)
    waits = park(shop_key(shop.id))
    installation.credentials_changed(shop)
    assert Shop.objects.get().is_active
    assert not is_parked(waits)


def test_new_credentials_do_not_switch_on_what_a_person_switched_off(db: None) -> None:
    shop = make_shop()
    installation.switch_off(shop)
    installation.credentials_changed(shop)
    assert not Shop.objects.get().is_active


@LIVE
def test_a_late_notice_does_not_switch_off_a_shop_that_is_installed_again(
    client: Client, shopify: responses.RequestsMock
) -> None:
    shopify.post(GRAPHQL, json={"data": {"shop": {"id": "gid://shopify/Shop/1"}}})
    make_shop()
    deliver(client, {"id": 1}, topic="app/uninstalled")
    drain()
    assert Shop.objects.get().is_active
    assert not Alert.objects.exists()


@LIVE
@pytest.mark.parametrize(
    ("broken", "kinds"),
    [
        ("UPDATE shops_shop SET access_token = ''", {"shop_refuses_credentials"}),
        (
            "UPDATE shops_shop SET access_token = 'gAAAAA-junk'",
            {"shop_refuses_credentials", "secret_unreadable"},
        ),
    ],
)
def test_credentials_that_we_lack_or_cannot_read_are_no_uninstallation(
    client: Client, shopify: responses.RequestsMock, broken: str, kinds: set[str]
) -> None:
    make_shop()
    with connection.cursor() as cursor:
        cursor.execute(broken)
    deliver(client, {"id": 1}, topic="app/uninstalled")
    drain()
    shop = Shop.objects.only("is_active", "uninstalled_at").get()
    assert (shop.is_active, shop.uninstalled_at) == (True, None)
    assert set(Alert.objects.values_list("kind", flat=True)) == kinds
    assert Job.objects.get(kind=CHECK_INSTALLED.name).parked_on


@LIVE
def test_an_outage_is_no_uninstallation(client: Client, shopify: responses.RequestsMock) -> None:
    shopify.post(GRAPHQL, status=503)
    make_shop()
    deliver(client, {"id": 1}, topic="app/uninstalled")
    drain()
    assert Shop.objects.get().is_active
    assert Job.objects.get(kind="shops.check_installed").state == Job.State.READY


@LIVE
def test_work_of_a_switched_off_shop_waits_and_goes_on(shopify: responses.RequestsMock) -> None:
    shop = make_shop()
    shop_jobs.check_subscriptions(shop)
    assert installation.switch_off(shop)
    assert not installation.switch_off(shop)
    assert drain() == ["shops.check_subscriptions"]  # nothing to do for a shop that is off
    assert installation.switch_on(shop)
    assert not installation.switch_on(shop)
    assert Job.objects.get(kind="shops.check_subscriptions").state == Job.State.READY


def test_switching_off_twice_raises_one_alert(db: None) -> None:
    shop = make_shop()
    assert installation.uninstalled(shop)
    assert not installation.uninstalled(shop)
    assert Alert.objects.get().count == 1


@LIVE
def test_an_unhandled_topic_is_done(client: Client) -> None:
    make_shop()
    deliver(client, {"id": 1}, topic="carts/create")
    assert drain() == ["shopify.unhandled"]
    assert Job.objects.get().state == Job.State.DONE


@pytest.mark.parametrize("number", [1, 5_000_000_000_001, 2**63 - 1])
def test_gids_and_back(number: int) -> None:
    assert gids.number(gids.gid("Order", ShopifyOrderId(number))) == number


def test_a_gid_with_parameters() -> None:
    assert gids.number("gid://shopify/InventoryLevel/24?inventory_item_id=27") == 24


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "gid://shopify/Order/",
        "gid://shopify/Order/x",
        "gid://other/Order/5",
        f"gid://shopify/Order/{2**63}",
    ],
)
def test_what_is_no_gid(text: str) -> None:
    with pytest.raises(ValueError, match="gid"):
        gids.number(text)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        *[(5, 5), ("5", 5), ("gid://shopify/Order/5", 5), (True, None), (0, None), (-1, None), (2**63, None)],
        *[("x", None), (None, None), ([5], None), ("٥", None), ("9" * 5000, None), (5.0, None)],
    ],
)
def test_numbers_as_they_come(value: object, number: int | None) -> None:
    assert gids.number_or_none(value) == number


@pytest.mark.parametrize(
    ("body", "number"),
    [
        (
            {"id": 5000000000000001000, "admin_graphql_api_id": "gid://shopify/Order/5000000000000001001"},
            5000000000000001001,
        ),
        ({"id": 5, "admin_graphql_api_id": None}, 5),
        ({"id": 5, "admin_graphql_api_id": "no gid"}, 5),
        ({}, None),
    ],
)
def test_the_id_of_a_body_is_that_of_its_gid_which_nobody_rounds(
    body: dict[str, object], number: int | None
) -> None:
    assert gids.id_in(body) == number


@pytest.mark.parametrize("file", sorted(documents.FOLDER.glob("*.graphql")), ids=lambda file: file.stem)
def test_every_document_holds_the_operation_its_file_is_named_for(file: Path) -> None:
    document = documents.load(file.stem)
    assert document.name.replace("_", "").lower() == file.stem.replace("_", "")
    assert document.is_mutation == document.text.startswith("mutation")


def test_an_error_is_built_without_a_look_at_the_database(
    db: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    shop = make_shop()
    with django_assert_num_queries(0):
        errors = [
            installation.refused(shop, reason="HTTP 401"),
            installation.unusable(shop, reason="none is stored"),
            installation.paused(shop),
            installation.frozen(shop, reason="HTTP 402"),
        ]
    assert [str(error) for error in errors] == [
        "berlin.myshopify.com refuses our credentials: HTTP 401",
        "berlin.myshopify.com cannot be called: none is stored",
        "berlin.myshopify.com is switched off",
        "berlin.myshopify.com is frozen or locked (HTTP 402)",
    ]
    assert not Alert.objects.exists()


def test_while_it_is_asked_whether_the_app_is_gone_only_unusable_credentials_are_told(db: None) -> None:
    shop = make_shop()
    shop_jobs.check_installed(shop)
    installation.record_refused(shop, reason="HTTP 401")
    assert not Alert.objects.exists()
    installation.record_unusable(shop, reason="none is stored")
    assert Alert.objects.get().kind == "shop_refuses_credentials"
