"""Staff edit connections and warehouses: secrets stay inside, and what waited goes on."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client

from ops.queue import jobs
from tests.builders import make_connection, make_shop, make_warehouse
from tests.parked import is_parked, park
from wms.availability import warehouses
from wms.models import Connection, Warehouse

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff() -> Client:
    client = Client(headers={"X-Forwarded-Proto": "https"})
    client.force_login(User.objects.create_superuser("ada", password="a-long-password"))
    return client


@pytest.fixture
def north() -> Connection:
    return make_connection(token="token-that-nobody-sees", callback_secret="secret-that-nobody-sees")


@pytest.fixture
def berlin(north: Connection) -> Warehouse:
    return make_warehouse(make_shop(), north)


def fields(connection: Connection, **changes: Any) -> dict[str, Any]:
    return {
        "name": connection.name,
        "adapter": "rest",
        "base_url": connection.base_url,
        "token": "",
        "callback_secret": "",
        "callback_secret_previous": "",
        "capabilities": [
            "find_order",
            "idempotent_create",
            "update_order",
            "cancel_order",
            "stock_delta",
            "returns",
        ],
        "stock_basis": "available",
        "time_zone": "UTC",
        "is_active": "on",
        **changes,
    }


def save(staff: Client, connection: Connection, **changes: Any) -> Connection:
    answer = staff.post(
        f"/admin/wms/connection/{connection.pk}/change/", fields(connection, **changes), secure=True
    )
    assert answer.status_code == 302, answer.context["errors"]
    connection.refresh_from_db()
    return connection


def test_secrets_are_never_shown(staff: Client, north: Connection) -> None:
    page = staff.get(f"/admin/wms/connection/{north.pk}/change/", secure=True).content.decode()
    assert "nobody-sees" not in page
    assert "••••sees" in page
    assert "/webhooks/wms/north/" in page


def test_an_empty_secret_field_keeps_the_secret(staff: Client, north: Connection) -> None:
    save(staff, north, name="North")
    assert (north.name, north.token, north.callback_secret) == (
        "North",
        "token-that-nobody-sees",
        "secret-that-nobody-sees",
    )
    assert north.capabilities is None


def test_a_dash_removes_a_secret_that_need_not_be_there(staff: Client, north: Connection) -> None:
    assert save(staff, north, callback_secret="-").callback_secret == ""


def test_the_token_can_be_replaced_and_not_removed(staff: Client, north: Connection) -> None:
    page = f"/admin/wms/connection/{north.pk}/change/"
    answer = staff.post(page, fields(north, token="-"), secure=True)
    errors = answer.context["adminform"].form.errors
    assert errors == {"token": ["This secret can be replaced, but not removed."]}
    assert save(staff, north, token="another").token == "another"


def test_the_page_says_what_can_be_done_with_each_secret(staff: Client, north: Connection) -> None:
    page = staff.get(f"/admin/wms/connection/{north.pk}/change/", secure=True)
    told = {name: field.help_text for name, field in page.context["adminform"].form.fields.items()}
    assert told["token"].endswith("Stored: ••••sees. Leave empty to keep it.")
    assert told["callback_secret"].endswith("Stored: ••••sees. Leave empty to keep it, “-” removes it.")
    assert told["callback_secret_previous"].endswith("Not set.")


def test_a_replaced_callback_secret_stays_valid_as_the_previous_one(staff: Client, north: Connection) -> None:
    save(staff, north, callback_secret="brand-new")
    assert north.hmac_secrets == ["brand-new", "secret-that-nobody-sees"]
    data = {"action": "forget_previous_secret", "_selected_action": [north.pk]}
    staff.post("/admin/wms/connection/", data, secure=True)
    north.refresh_from_db()
    assert north.hmac_secrets == ["brand-new"]


def test_the_time_zone_is_one_of_the_time_zone_database(staff: Client, north: Connection) -> None:
    assert save(staff, north, time_zone="Europe/Berlin").time_zone == "Europe/Berlin"
    page = f"/admin/wms/connection/{north.pk}/change/"
    answer = staff.post(page, fields(north, time_zone="Mars/Base"), secure=True)
    assert answer.context["adminform"].form.errors.keys() == {"time_zone"}


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("token", "tök€n"),
        ("token", "a b"),
        ("callback_secret", "a\nb"),
        ("name", "a\x00b"),
        ("name", "a\x1fb"),
    ],
)
def test_text_that_cannot_be_stored_or_sent_is_refused_where_it_is_entered(
    staff: Client, north: Connection, field: str, text: str
) -> None:
    answer = staff.post(
        f"/admin/wms/connection/{north.pk}/change/", fields(north, **{field: text}), secure=True
    )
    assert answer.context["adminform"].form.errors.keys() == {field}


def test_unticked_capabilities_are_stored(staff: Client, north: Connection) -> None:
    save(staff, north, capabilities=["cancel_order"])
    assert north.capabilities == ["cancel_order"]
    save(staff, north, capabilities=[])
    assert north.capabilities == []


def test_host_names_of_containers_are_addresses_too(staff: Client, north: Connection, settings: Any) -> None:
    settings.ALLOW_PRIVATE_TARGETS = ["wms"]
    saved = save(staff, north, base_url="http://wms:9002/north", token="again")
    assert (saved.base_url, saved.token) == ("http://wms:9002/north", "again")


@pytest.mark.parametrize(
    "address", ["http://wms.test:81/north", "https://wms.test/north", "https://evil.example.com"]
)
def test_the_stored_token_does_not_follow_another_host(
    staff: Client, north: Connection, address: str
) -> None:
    answer = staff.post(
        f"/admin/wms/connection/{north.pk}/change/", fields(north, base_url=address), secure=True
    )
    assert "Enter this secret again" in answer.content.decode()
    north.refresh_from_db()
    assert (north.base_url, north.token) == ("http://wms.test/north", "token-that-nobody-sees")
    assert save(staff, north, base_url=address.replace("http:", "https:"), token="again").token == "again"


def test_another_path_of_the_same_host_keeps_the_token(staff: Client, north: Connection) -> None:
    assert save(staff, north, base_url="http://wms.test/v2").token == "token-that-nobody-sees"


@pytest.mark.parametrize(
    "address",
    [
        "https://169.254.169.254/latest",
        "https://u:p@wms.test/",
        "https://wms.test/?a=",
        "https://wms.test/#",
        "http://x.example.com/",
    ],
)
def test_addresses_that_may_not_be_called_are_refused(staff: Client, north: Connection, address: str) -> None:
    answer = staff.post(
        f"/admin/wms/connection/{north.pk}/change/",
        fields(north, base_url=address, token="again"),
        secure=True,
    )
    assert answer.context["adminform"].form.errors.keys() == {"base_url"}


def test_the_history_names_the_fields_that_changed_and_no_other(staff: Client, north: Connection) -> None:
    save(staff, north, base_url="http://wms.test/v2")
    save(staff, north, callback_secret="another-secret")
    Connection.objects.update(callback_secret_previous="old")
    staff.post(
        "/admin/wms/connection/",
        {"action": "forget_previous_secret", "_selected_action": [north.pk]},
        secure=True,
    )
    told = [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")]
    assert told == ["Changed Base URL.", "Changed Callback secret.", "Previous callback secret forgotten."]
    answer = staff.post(
        f"/admin/wms/connection/{north.pk}/change/", fields(north, base_url="ftp://wms"), secure=True
    )
    assert answer.status_code == 200
    assert (
        "base_url" in answer.context["errors"].as_text()
        or answer.context["adminform"].form.errors["base_url"]
    )


def test_a_new_connection_is_made_in_the_admin(staff: Client) -> None:
    answer = staff.post(
        "/admin/wms/connection/add/",
        fields(Connection(base_url="https://wms.example.com"), slug="west", token="t", callback_secret="c"),
        secure=True,
    )
    assert answer.status_code == 302
    west = Connection.objects.get(slug="west")
    assert (west.token, west.callback_secret, west.callback_secret_previous) == ("t", "c", "")


def test_the_list_of_connections_shows_their_warehouses(staff: Client, berlin: Warehouse) -> None:
    page = staff.get("/admin/wms/connection/?q=north", secure=True)
    assert [c.warehouse_total for c in page.context["cl"].result_list] == [1]


def edited_list(warehouse: Warehouse, **changes: Any) -> dict[str, Any]:
    row = {"id": warehouse.pk, "priority": warehouse.priority, "paused": "on" if warehouse.paused else ""}
    row |= {"is_active": "on", **changes}
    return {
        "form-TOTAL_FORMS": 1,
        "form-INITIAL_FORMS": 1,
        "_save": "Save",
        **{f"form-0-{name}": value for name, value in row.items() if value != ""},
    }


def test_a_warehouse_that_is_no_longer_paused_wakes_what_waited(staff: Client, berlin: Warehouse) -> None:
    Warehouse.objects.update(paused=True)
    berlin.refresh_from_db()
    job_id = park(f"warehouse:{berlin.pk}")
    answer = staff.post("/admin/wms/warehouse/", edited_list(berlin, paused=""), secure=True)
    assert answer.status_code == 302
    berlin.refresh_from_db()
    assert not berlin.paused
    assert not is_parked(job_id)


def test_saving_a_warehouse_wakes_what_waits_for_any_of_its_shop(staff: Client, berlin: Warehouse) -> None:
    ours, other = park(f"shop:{berlin.shop_id}"), park(f"shop:{berlin.shop_id + 1}")
    data = {
        "name": "Berlin",
        "shop": berlin.shop_id,
        "connection": berlin.connection_id,
        "wms_warehouse_code": "BER1",
        "shopify_location_id": berlin.shopify_location_id,
        "priority": 5,
        "serves_countries": "de, AT",
        "is_active": "on",
    }
    assert staff.post(f"/admin/wms/warehouse/{berlin.pk}/change/", data, secure=True).status_code == 302
    berlin.refresh_from_db()
    assert (berlin.priority, berlin.serves_countries) == (5, ["AT", "DE"])
    assert not is_parked(ours)
    assert is_parked(other)
    assert LogEntry.objects.count() == 1


def test_a_country_is_two_letters(staff: Client, berlin: Warehouse) -> None:
    data = {"name": "B", "serves_countries": "DE,D1", "priority": 1}
    answer = staff.post(f"/admin/wms/warehouse/{berlin.pk}/change/", data, secure=True)
    assert "D1 is not a country code" in answer.content.decode()


def test_a_changed_connection_wakes_what_waits_for_its_warehouses(
    staff: Client, berlin: Warehouse, north: Connection
) -> None:
    job_id = park(f"warehouse:{berlin.pk}")
    save(staff, north, is_active="on")
    assert not is_parked(job_id)


def test_a_warehouse_is_found_by_code_or_by_connection_and_code(berlin: Warehouse) -> None:
    south = make_warehouse(berlin.shop, make_connection("south"), wms_warehouse_code="BER1")
    shop = berlin.shop_id
    assert warehouses.find(shop_id=shop, code="BER1") == [berlin, south]
    assert warehouses.find(shop_id=shop, code="south/BER1") == [south]
    assert warehouses.find(shop_id=shop + 1, code="BER1") == []


def test_waking_for_a_warehouse_takes_four_statements(
    berlin: Warehouse, django_assert_num_queries: Any
) -> None:
    assert jobs.wake() == 0
    with django_assert_num_queries(4):  # the looks for orders and at stock, locks, update
        warehouses.changed(berlin)
