"""Secrets at rest are readable at their own place only, and one that is unreadable breaks nothing but itself."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.db import connection as database
from django.test import Client

from ops import secrets
from ops.models import Alert, Job
from ops.secrets import SecretUnreadable
from shops.models import Shop
from tests.builders import make_connection, make_order, make_shop, make_warehouse
from tests.shops.webhooks.delivery import deliver
from wms.models import Connection
from wmsbridge.tasks import measure_health

pytestmark = pytest.mark.django_db


def _raw(table: str, column: str, **where: Any) -> str:
    (name, value), *_ = where.items()
    with database.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {table} WHERE {name} = %s", [value])  # noqa: S608
        return str(cursor.fetchone()[0])


def _write(table: str, column: str, text: str) -> None:
    with database.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {column} = %s", [text])  # noqa: S608


def test_a_ciphertext_is_not_readable_at_another_row_field_or_table() -> None:
    berlin, paris = make_shop(), make_shop("paris.myshopify.com", access_token="")
    make_connection(token="x")
    token = _raw("shops_shop", "access_token", id=berlin.pk)
    for table, column in (
        ("wms_connection", "token"),
        ("shops_shop", "webhook_secret"),
        ("shops_shop", "access_token"),
    ):
        _write(table, column, token)
    with pytest.raises(SecretUnreadable):
        _ = Connection.objects.get().token
    with pytest.raises(SecretUnreadable):
        _ = Shop.objects.get(pk=berlin.pk).webhook_secret
    with pytest.raises(SecretUnreadable):
        _ = Shop.objects.get(pk=paris.pk).access_token
    assert Shop.objects.get(pk=berlin.pk).access_token == "shpat_test"


def test_the_address_of_one_order_is_not_readable_at_another() -> None:
    shop = make_shop()
    first, second = make_order(shop, ship_to='{"name": "Ada"}'), make_order(shop, ship_to="")
    _write("fulfillment_order", "ship_to", _raw("fulfillment_order", "ship_to", id=first.pk))
    first.refresh_from_db()
    assert first.ship_to == '{"name": "Ada"}'
    with pytest.raises(SecretUnreadable):
        second.refresh_from_db()


def test_a_token_does_not_follow_an_address_whoever_changes_it() -> None:
    make_connection(base_url="https://wms.example.com/api")
    Connection.objects.update(base_url="https://evil.example.com/api")
    with pytest.raises(SecretUnreadable):
        _ = Connection.objects.get().token
    Connection.objects.update(base_url="https://wms.example.com/v2")
    assert Connection.objects.get().token == "wms-token"


def test_a_secret_does_not_follow_the_domain_of_its_shop() -> None:
    make_shop()
    Shop.objects.update(domain="attacker.myshopify.com")
    with pytest.raises(SecretUnreadable):
        _ = Shop.objects.get().access_token


def test_ciphertexts_from_before_are_readable_until_they_are_bound_by_rotate_keys() -> None:
    shop = make_shop()
    _write("shops_shop", "access_token", secrets.encrypt("shpat_old"))
    assert Shop.objects.get().access_token == "shpat_old"
    call_command("rotate_keys")
    assert Shop.objects.get().access_token == "shpat_old"
    bound = _raw("shops_shop", "access_token", id=shop.pk)
    with pytest.raises(SecretUnreadable):
        secrets.decrypt(bound)


def test_saving_a_row_leaves_a_secret_that_cannot_be_read_as_it_is(settings: Any) -> None:
    make_shop()
    good = settings.FIELD_ENCRYPTION_KEYS
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    shop = Shop.objects.get()
    shop.name = "Berlin"
    shop.save()
    settings.FIELD_ENCRYPTION_KEYS = good
    assert (Shop.objects.get().name, Shop.objects.get().access_token) == ("Berlin", "shpat_test")


LOST = Fernet.generate_key()


@pytest.fixture
def broken(settings: Any) -> Connection:
    """A shop and a connection whose secrets fit no key that is set."""
    north = make_connection()
    make_warehouse(make_shop(), north)
    make_shop("paris.myshopify.com")
    for table, columns in (
        ("wms_connection", ("token", "callback_secret")),
        ("shops_shop", ("webhook_secret",)),
    ):
        for column in columns:
            text = Fernet(LOST).encrypt(b"x").decode()
            with database.cursor() as cursor:
                where = "WHERE domain = 'berlin.myshopify.com'" if table == "shops_shop" else ""
                cursor.execute(f"UPDATE {table} SET {column} = %s {where}", [text])  # noqa: S608
    return north


def test_an_unreadable_secret_breaks_one_door_with_503_and_an_alert(
    client: Client, broken: Connection
) -> None:
    answer = client.post(
        "/webhooks/wms/north/", b"{}", content_type="application/json", headers={"X-WMS-Signature": "x"}
    )
    assert answer.status_code == 503
    assert deliver(client).status_code == 503
    assert deliver(client, domain="paris.myshopify.com").status_code == 200
    alerts = Alert.objects.filter(kind="secret_unreadable", state="open").values_list("subject", flat=True)
    assert sorted(alerts) == ["shop:berlin.myshopify.com", "wms:north"]
    assert Job.objects.filter(kind__startswith="shopify.").count() == 1


@pytest.mark.usefixtures("broken")
def test_the_alerts_close_by_themselves_once_the_old_key_is_back(client: Client, settings: Any) -> None:
    client.post("/webhooks/wms/north/", b"{}", content_type="application/json")
    deliver(client)
    opened = Alert.objects.filter(kind="secret_unreadable", state="open")
    measure_health()
    assert opened.count() == 2
    settings.FIELD_ENCRYPTION_KEYS = [*settings.FIELD_ENCRYPTION_KEYS, LOST.decode()]
    measure_health()
    assert not opened.exists()


@pytest.mark.parametrize(
    "page",
    ["/admin/wms/connection/", "/admin/wms/warehouse/", "/admin/shops/shop/", "/admin/"],
)
def test_no_list_decrypts(admin_client: Client, broken: Connection, page: str) -> None:
    assert admin_client.get(page).status_code == 200


def test_staff_enter_an_unreadable_secret_anew(
    admin_client: Client, client: Client, broken: Connection
) -> None:
    page = f"/admin/wms/connection/{broken.pk}/change/"
    assert b"unreadable: enter it anew" in admin_client.get(page).content
    client.post("/webhooks/wms/north/", b"{}", content_type="application/json")
    form = {"adapter": "rest", "base_url": broken.base_url, "stock_basis": "available", "is_active": "on"}
    form |= {"token": "new-token", "callback_secret": "new-secret"}
    assert admin_client.post(page, form).status_code == 302
    found = Connection.objects.get()
    assert (found.token, found.callback_secret) == ("new-token", "new-secret")
    assert not Alert.objects.filter(kind="secret_unreadable", state="open").exists()


def test_a_change_of_what_is_stored_is_noticed_and_a_change_of_anything_else_is_not() -> None:
    shop = make_shop(client_id="id", client_secret="secret")
    same = secrets.unchanged(shop, "client_id", "client_secret")
    Shop.objects.update(name="another")
    assert same()
    shop.client_secret = "new"
    shop.save()
    assert not same()


def test_a_secret_that_becomes_readable_has_changed(settings: Any) -> None:
    shop = make_shop(client_secret="secret")
    keys, settings.FIELD_ENCRYPTION_KEYS = settings.FIELD_ENCRYPTION_KEYS, [Fernet.generate_key().decode()]
    same = secrets.unchanged(Shop.objects.get(pk=shop.pk), "client_secret")
    assert same()
    settings.FIELD_ENCRYPTION_KEYS = keys
    assert not same()
