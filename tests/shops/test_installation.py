"""A shop goes and comes back; unknown notices; ids."""

from __future__ import annotations

from pathlib import Path

import pytest
import responses
from django.test import Client

from ops.models import Alert, Job
from shops import documents, gids, installation
from shops.models import Shop
from tests.builders import make_shop
from tests.drain import drain
from tests.shops.delivery import deliver

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
    assert [alert.kind for alert in Alert.objects.filter(state=Alert.State.OPEN)] == [
        installation.UNINSTALLED
    ]


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
    installation.check_subscriptions(shop)
    assert installation.switch_off(shop)
    assert not installation.switch_off(shop)
    assert drain() == ["shops.check_subscriptions"]  # nothing to do for a shop that is off
    assert installation.switch_on(shop)
    assert not installation.switch_on(shop)
    assert Job.objects.get().state == Job.State.READY


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
    assert gids.number(gids.gid("Order", number)) == number


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


@pytest.mark.parametrize("file", sorted(documents.FOLDER.glob("*.graphql")), ids=lambda file: file.stem)
def test_every_document_holds_the_operation_its_file_is_named_for(file: Path) -> None:
    document = documents.load(file.stem)
    assert document.name.replace("_", "").lower() == file.stem.replace("_", "")
    assert document.is_mutation == document.text.startswith("mutation")
