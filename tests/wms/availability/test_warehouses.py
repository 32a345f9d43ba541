"""Whether work may go to a warehouse, and who goes on when that changes: that warehouse's work and no other."""

from __future__ import annotations

from typing import Any

import pytest

from ops.errors import AccessRefused, Blocked, CredentialsUnusable
from ops.models import Alert, Job
from ops.refs import ParkKey
from shops.refs import shop_key
from tests.builders import make_connection, make_shop, make_warehouse
from tests.parked import is_parked, park
from wms.availability import access, warehouses
from wms.models import Connection, Warehouse
from wms.refs import connection_key, warehouse_key

pytestmark = pytest.mark.django_db


@pytest.fixture
def berlin() -> Warehouse:
    return make_warehouse(make_shop(), make_connection())


def blocked(warehouse: Warehouse, **more: Any) -> Blocked | None:
    try:
        warehouses.require_accepting(warehouse, **more)
    except Blocked as error:
        return error
    return None


@pytest.mark.parametrize(
    ("warehouse", "connection", "accepts"),
    [
        ({}, {}, True),
        ({"paused": True}, {}, False),
        ({"is_active": False}, {}, False),
        ({}, {"is_active": False}, False),
        ({"paused": True, "is_active": False}, {"is_active": False}, False),
    ],
)
def test_a_warehouse_accepts_orders_if_nothing_closes_it(
    warehouse: dict[str, Any], connection: dict[str, Any], accepts: bool
) -> None:
    made = make_warehouse(make_shop(), make_connection(**connection), **warehouse)
    assert (blocked(made) is None) == accepts


def test_what_waits_for_a_warehouse_waits_for_that_one(berlin: Warehouse) -> None:
    make_warehouse(berlin.shop, berlin.connection, "Lyon")
    Warehouse.objects.filter(pk=berlin.pk).update(paused=True)
    berlin.refresh_from_db()
    error = blocked(berlin, also_wake_on=[ParkKey("order:5")])
    assert error is not None
    assert error.on == (warehouse_key(berlin.id), "order:5")
    assert error.recheck is not None
    assert error.recheck()
    Warehouse.objects.filter(pk=berlin.pk).update(paused=False)
    assert not error.recheck()


@pytest.fixture
def waiting(berlin: Warehouse) -> dict[str, int]:
    """Jobs that wait for Berlin, for another warehouse of its shop, and for another shop at the same WMS."""
    lyon = make_warehouse(berlin.shop, berlin.connection, "Lyon")
    paris = make_warehouse(make_shop("paris.myshopify.com"), berlin.connection, "Paris")
    rome = make_warehouse(make_shop("rome.myshopify.com"), make_connection("south"), "Rome")
    keys = {
        "Berlin": warehouse_key(berlin.id),
        "its shop": shop_key(berlin.shop.id),
        "its WMS": connection_key(berlin.connection.id),
        "Lyon": warehouse_key(lyon.id),
        "Paris": warehouse_key(paris.id),
        "Paris's shop": shop_key(paris.shop.id),
        "Rome": warehouse_key(rome.id),
        "Rome's shop": shop_key(rome.shop.id),
        "Rome's WMS": connection_key(rome.connection.id),
    }
    return {name: park(key) for name, key in keys.items()}


def woken(waiting: dict[str, int]) -> set[str]:
    return {name for name, job in waiting.items() if not is_parked(job)}


def scopes() -> set[str]:
    """The warehouses of which the stock is looked at anew."""
    payloads = Job.objects.filter(kind="wms.stock_scope_changed").values_list("payload", flat=True)
    pks = [payload["warehouse"] for payload in payloads]
    return set(Warehouse.objects.filter(pk__in=pks).values_list("name", flat=True))


def test_a_changed_warehouse_wakes_what_waits_for_it_and_its_shop(
    berlin: Warehouse, waiting: dict[str, int]
) -> None:
    assert warehouses.changed(berlin) == 2
    assert woken(waiting) == {"Berlin", "its shop"}
    assert scopes() == {"Berlin"}
    assert Job.objects.filter(kind="wms.warehouses_changed").count() == 1


def test_a_changed_connection_wakes_what_waits_for_any_of_its_warehouses(
    berlin: Warehouse, waiting: dict[str, int]
) -> None:
    warehouses.connection_changed(berlin.connection)
    assert woken(waiting) == {"Berlin", "its shop", "its WMS", "Lyon", "Paris", "Paris's shop"}
    assert scopes() == {"Berlin", "Lyon", "Paris"}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("BER1", ["Berlin", "Bern"]),
        ("north/BER1", ["Berlin"]),
        ("south/BER1", ["Bern"]),
        ("north/LYO1", []),
        ("BER", []),
        ("", []),
        ("/BER1", []),
        ("a/b", ["Slash"]),
        ("south/a/b", ["Slash"]),
    ],
)
def test_a_warehouse_is_found_by_its_code_and_where_two_have_it_by_its_connection(
    berlin: Warehouse, code: str, found: list[str]
) -> None:
    south = make_connection("south")
    make_warehouse(berlin.shop, south, "Bern", wms_warehouse_code="BER1")
    make_warehouse(berlin.shop, south, "Slash", wms_warehouse_code="a/b")
    make_warehouse(make_shop("paris.myshopify.com"), berlin.connection, wms_warehouse_code="BER1")
    assert [each.name for each in warehouses.find(shop_id=berlin.shop.pk, code=code)] == found


# Credentials


@pytest.fixture
def north() -> Connection:
    return make_connection()


def unusable(connection: Connection) -> CredentialsUnusable:
    with pytest.raises(CredentialsUnusable) as raised:
        access.token_of(connection)
    return raised.value


def test_a_token_that_can_be_sent_is_used(north: Connection) -> None:
    assert access.token_of(north) == "wms-token"
    assert access.is_usable(north)


@pytest.mark.parametrize("token", ["a\nb", "é", "a b"])
def test_a_token_that_no_header_can_hold_is_told_and_not_sent(token: str) -> None:
    north = make_connection(token=token)
    assert unusable(north).on == (connection_key(north.id),)
    assert Alert.objects.get(state="open").subject == north.subject
    assert not access.is_usable(north)


def test_refused_credentials_are_looked_at_again_once_they_changed(north: Connection) -> None:
    error = access.refused(north, status=403)
    assert isinstance(error, AccessRefused)
    assert ("403" in str(error), error.on) == (True, (connection_key(north.id),))
    assert error.recheck is not None
    assert error.recheck()
    north.token = "another"
    north.save()
    assert not error.recheck()


def test_saved_credentials_close_the_alerts_of_that_connection_only(north: Connection) -> None:
    south = make_connection("south")
    for connection in (north, south):
        for kind in ("secret_unreadable", "wms_refuses_credentials", "unknown_warehouse"):
            texts = {"title": "t", "meaning": "m", "action": "a"}
            Alert.objects.create(kind=kind, subject=connection.subject, **texts)
    access.credentials_changed(north)
    left = Alert.objects.filter(state="open").values_list("kind", "subject")
    assert ("unknown_warehouse", north.subject) in left
    assert sorted(left)[-1][1] == south.subject
    assert len(left) == 4


@pytest.mark.parametrize(
    ("to", "moved"),
    [
        ("http://wms.test/north", False),
        ("http://wms.test/other", False),
        ("http://WMS.test:80/", False),
        ("https://wms.test/north", True),
        ("http://wms.test:8080/north", True),
        ("http://wms.example/north", True),
    ],
)
def test_another_system_is_another_scheme_host_or_port(north: Connection, to: str, moved: bool) -> None:
    assert access.is_moved(north, to=to) == moved
