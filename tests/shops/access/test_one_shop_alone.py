"""What happens to one shop's access happens to that shop only, and what it needs for it is decided at the edge."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import responses
from django.utils import timezone

from ops.errors import AccessRefused, Throttled
from ops.models import Alert, Job
from shops.access import credentials, installation
from shops.models import Shop
from shops.refs import shop_key
from tests.builders import make_shop
from tests.parked import is_parked, park

pytestmark = pytest.mark.django_db

GRANT = "https://berlin.myshopify.com/admin/oauth/access_token"
HOUR = timedelta(hours=1)


def issued(age: timedelta, *, life: timedelta = 24 * HOUR, **changes: Any) -> dict[str, Any]:
    """A shop with a client id and secret, and a token of this age."""
    since = timezone.now() - age
    return {
        "access_token": "",
        "client_id": "cid",
        "client_secret": "csec",
        "issued_token": "old",
        "issued_token_issued_at": since,
        "issued_token_expires_at": since + life,
        **changes,
    }


@pytest.fixture
def shop() -> Shop:
    return make_shop(**issued(HOUR))


def alert(shop: Shop, kind: str) -> None:
    Alert.objects.create(kind=kind, subject=shop.subject, title="t", meaning="m", action="a")


def open_alerts() -> set[str]:
    rows = Alert.objects.filter(state="open").values_list("kind", "subject")
    return {f"{kind} {subject}" for kind, subject in rows}


CHANGES: dict[str, tuple[Callable[[Shop], object], dict[str, Any]]] = {
    "uninstalled": (installation.uninstalled, {}),
    "switched on": (installation.switch_on, {"is_active": False}),
    "installed again": (
        installation.installed_again,
        {"is_active": False, "uninstalled_at": timezone.now()},
    ),
    "switched off": (installation.switch_off, {}),
    "taken up": (installation.taken_up, {"uninstalled_at": timezone.now(), "is_active": False}),
    "other credentials": (installation.credentials_changed, {}),
    "secrets saved": (installation.secrets_changed, {}),
    "reachable": (installation.reachable, {}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_one_shop_leaves_every_other_as_it_was(name: str) -> None:
    change, values = CHANGES[name]
    shop, other = (
        make_shop(**issued(HOUR, **values)),
        make_shop("paris.myshopify.com", **issued(HOUR, **values)),
    )
    kinds = ("shop_refuses_credentials", "shop_frozen", "shop_uninstalled", "secret_unreadable")
    for kind in kinds:
        alert(other, kind)
    waits = park(shop_key(other.id))
    before = Shop.objects.filter(pk=other.pk).values().get()
    change(shop)
    assert Shop.objects.filter(pk=other.pk).values().get() == before
    assert open_alerts() >= {f"{kind} {other.subject}" for kind in kinds}
    assert is_parked(waits)
    assert not Job.objects.filter(subject=other.subject).exists()


def test_a_token_of_one_shop_is_not_stored_for_another(shop: Shop, shopify: responses.RequestsMock) -> None:
    other = make_shop("paris.myshopify.com", **issued(HOUR))
    shopify.post(GRANT, json={"access_token": "new", "expires_in": 86_399})
    assert credentials.token_for(shop, rejected="old") == "new"
    found = {each.pk: each for each in Shop.objects.all()}
    assert (found[shop.pk].issued_token, found[other.pk].issued_token) == ("new", "old")
    assert {each.token_renewal_started_at for each in found.values()} == {None}


def test_while_one_shop_renews_its_token_another_can(shop: Shop, shopify: responses.RequestsMock) -> None:
    make_shop("paris.myshopify.com", **issued(23.5 * HOUR, token_renewal_started_at=timezone.now()))
    shopify.post(GRANT, json={"access_token": "new", "expires_in": 86_399})
    assert credentials.token_for(shop, rejected="old") == "new"


def test_who_loses_the_race_takes_no_lease_of_another_shop(shop: Shop) -> None:
    Shop.objects.update(token_renewal_started_at=timezone.now())
    other = make_shop(
        "paris.myshopify.com", **issued(HOUR, issued_token_issued_at=shop.issued_token_issued_at)
    )
    with pytest.raises(Throttled):
        credentials.token_for(shop, rejected="old")
    assert Shop.objects.get(pk=other.pk).token_renewal_started_at is None


@pytest.mark.parametrize(
    ("left", "asked"),
    [(25, True), (35, True), (5 * 3600, False), (23 * 3600, False)],
)
def test_a_token_is_renewed_when_most_of_its_life_is_over(
    shopify: responses.RequestsMock, left: float, asked: bool
) -> None:
    shop = make_shop(**issued(24 * HOUR - timedelta(seconds=left)))
    shopify.post(GRANT, json={"access_token": "new", "expires_in": 86_399})
    assert credentials.token_for(shop) == ("new" if asked else "old")
    assert len(shopify.calls) == asked


@pytest.mark.parametrize(("left", "usable"), [(25, False), (35, True), (-25, False)])
def test_a_token_is_not_used_in_the_last_moments_of_its_life(
    shopify: responses.RequestsMock, left: float, usable: bool
) -> None:
    shop = make_shop(**issued(24 * HOUR - timedelta(seconds=left)))
    shopify.post(GRANT, status=503)
    if usable:
        assert credentials.token_for(shop) == "old"
    else:
        with pytest.raises(Exception, match="503"):
            credentials.token_for(shop)


def test_no_empty_token_is_ever_used(shopify: responses.RequestsMock) -> None:
    shop = make_shop(**issued(HOUR, issued_token=""))
    shopify.post(GRANT, json={"access_token": "new", "expires_in": 86_399})
    assert credentials.token_for(shop) == "new"


@pytest.mark.parametrize("status", [402, 423])
def test_a_frozen_shop_is_told_and_waits(shopify: responses.RequestsMock, status: int) -> None:
    shop = make_shop(**issued(25 * HOUR))
    shopify.post(GRANT, status=status)
    with pytest.raises(Throttled) as raised:
        credentials.token_for(shop)
    assert raised.value.wait == timedelta(minutes=10)
    assert open_alerts() == {f"shop_frozen {shop.subject}"}


def test_a_rejected_permanent_token_is_refused_and_not_sent_again(shopify: responses.RequestsMock) -> None:
    shop = make_shop(access_token="shpat_x")
    with pytest.raises(AccessRefused, match="401 for the access token"):
        credentials.token_for(shop, rejected="shpat_x")
    assert credentials.token_for(shop, rejected="another") == "shpat_x"


@pytest.mark.parametrize(
    ("body", "says"), [({"error": "e" * 300}, "e" * 100), ({"error": None}, ""), ({}, "")]
)
def test_a_refused_grant_says_shopifys_code_and_no_more(
    shopify: responses.RequestsMock, body: dict[str, Any], says: str
) -> None:
    shop = make_shop(**issued(25 * HOUR))
    shopify.post(GRANT, status=400, json={**body, "client_secret": "csec"})
    with pytest.raises(AccessRefused) as raised:
        credentials.token_for(shop)
    assert str(raised.value).endswith(f"HTTP 400 {says}".strip())


def test_secrets_that_were_saved_again_can_be_read(shop: Shop) -> None:
    for kind in ("secret_unreadable", "shop_frozen"):
        alert(shop, kind)
    installation.secrets_changed(shop)
    assert open_alerts() == {f"shop_frozen {shop.subject}"}


# Uninstalled, switched off, switched on


def test_an_uninstalled_shop_keeps_no_token_and_is_told_once(shop: Shop) -> None:
    alert(shop, "shop_refuses_credentials")
    assert [installation.uninstalled(shop), installation.uninstalled(shop)] == [True, False]
    found = Shop.objects.get()
    assert (found.is_active, found.issued_token, found.issued_token_expires_at) == (False, "", None)
    assert open_alerts() == {f"shop_uninstalled {shop.subject}"}


@pytest.mark.parametrize(
    ("active", "uninstalled", "changed"), [(True, False, True), (False, True, True), (False, False, False)]
)
def test_a_person_switches_off_what_is_on_or_gone(active: bool, uninstalled: bool, changed: bool) -> None:
    shop = make_shop(is_active=active, uninstalled_at=timezone.now() if uninstalled else None)
    assert installation.switch_off(shop) == changed
    found = Shop.objects.get()
    assert (found.is_active, found.uninstalled_at) == (False, None)


@pytest.mark.parametrize("uninstalled", [True, False])
def test_only_a_shop_whose_app_was_removed_comes_back_by_itself(uninstalled: bool) -> None:
    shop = make_shop(is_active=False, uninstalled_at=timezone.now() if uninstalled else None)
    assert installation.installed_again(shop) == uninstalled
    assert Shop.objects.get().is_active == uninstalled


def test_the_work_of_a_shop_that_is_off_waits_until_that_one_is_on(shop: Shop) -> None:
    Shop.objects.update(is_active=False)
    make_shop("paris.myshopify.com")
    blocked = installation.paused(shop)
    assert blocked.on == (shop_key(shop.id),)
    assert blocked.recheck is not None
    assert blocked.recheck()
    Shop.objects.filter(pk=shop.pk).update(is_active=True)
    assert not blocked.recheck()


@pytest.mark.parametrize(
    ("active", "fields", "asked"),
    [
        *((True, [field], True) for field in sorted(installation.POLICIES)),
        (True, ["name", "submit_policy"], True),
        (True, ["name"], False),
        (True, [], False),
        (False, ["submit_policy"], False),
    ],
)
def test_unsent_orders_are_read_again_if_it_changed_what_may_be_sent(
    active: bool, fields: list[str], asked: bool
) -> None:
    installation.settings_changed(make_shop(is_active=active), fields)
    assert Job.objects.filter(kind="shopify.settings_changed").exists() == asked
