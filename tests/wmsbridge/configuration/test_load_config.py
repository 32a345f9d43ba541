"""load_config: a TOML file becomes shops, connections and warehouses, twice the same, or not at all."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from ops.models import Job
from shops.models import Shop
from tests.parked import is_parked, park
from wms.models import Connection, Warehouse

pytestmark = pytest.mark.django_db

CONFIG = """\
# The house of design section 7
[[shops]]
domain = "berlin.myshopify.com"
access_token = "env:BERLIN_TOKEN"
webhook_secret = "env:BERLIN_SECRET"

[[connections]]
slug = "north"
adapter = "rest"
base_url = "http://127.0.0.1:9002/north"
token = "env:NORTH_TOKEN"
callback_secret = "env:NORTH_SECRET"
stock_basis = "available"

[[warehouses]]
connection = "north"
shop = "berlin.myshopify.com"
name = "Berlin"
wms_warehouse_code = "BER1"
shopify_location_id = 101
priority = 1
serves_countries = ["DE", "at"]
latitude = 52.52
longitude = 13
"""


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BERLIN_TOKEN", "BERLIN_SECRET", "NORTH_TOKEN", "NORTH_SECRET"):
        monkeypatch.setenv(name, f"{name.lower()}-value")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def load(path: Path, text: str | bytes) -> str:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    out = io.StringIO()
    call_command("load_config", str(path), stdout=out, no_color=True)
    return out.getvalue()


def refusal(path: Path, text: str | bytes) -> str:
    with pytest.raises(CommandError) as refused:
        load(path, text)
    assert "Nothing was changed." in str(refused.value)
    return str(refused.value)


def test_a_file_makes_shops_connections_and_warehouses(path: Path) -> None:
    out = load(path, CONFIG)
    assert out.splitlines() == [
        "created shop berlin.myshopify.com",
        "created connection north",
        "created warehouse BER1",
        "3 created, 0 updated, 0 unchanged.",
    ]
    shop, north, berlin = Shop.objects.get(), Connection.objects.get(), Warehouse.objects.get()
    assert (shop.access_token, shop.webhook_secret) == ("berlin_token-value", "berlin_secret-value")
    assert (north.token, north.callback_secret, north.capabilities) == (
        "north_token-value",
        "north_secret-value",
        None,
    )
    assert (berlin.shop, berlin.connection, berlin.shopify_location_id) == (shop, north, 101)
    assert berlin.serves_countries == ["DE", "AT"]
    assert (float(berlin.latitude or 0), float(berlin.longitude or 0)) == (52.52, 13.0)


def test_the_same_file_again_changes_nothing(path: Path) -> None:
    load(path, CONFIG)
    before = [list(model.objects.values()) for model in (Shop, Connection, Warehouse)]
    waiting = park(f"warehouse:{Warehouse.objects.get().pk}")
    assert load(path, CONFIG) == "0 created, 0 updated, 3 unchanged.\n"
    assert [list(model.objects.values()) for model in (Shop, Connection, Warehouse)] == before
    assert is_parked(waiting)


def test_what_the_file_does_not_name_stays(path: Path) -> None:
    load(path, CONFIG)
    Warehouse.objects.update(paused=True, daily_capacity=50)
    Shop.objects.update(name="Berlin shop")
    assert "updated warehouse BER1: priority" in load(path, CONFIG.replace("priority = 1", "priority = 2"))
    berlin = Warehouse.objects.get()
    assert (berlin.priority, berlin.paused, berlin.daily_capacity) == (2, True, 50)
    assert load(path, "") == "0 created, 0 updated, 0 unchanged.\n"
    assert Shop.objects.get().name == "Berlin shop"


def test_a_changed_secret_is_stored_and_not_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(path, CONFIG)
    monkeypatch.setenv("NORTH_TOKEN", "a-brand-new-value")
    assert load(path, CONFIG) == "updated connection north: token\n0 created, 1 updated, 2 unchanged.\n"
    assert Connection.objects.get().token == "a-brand-new-value"


def test_a_change_wakes_what_waited_for_it(path: Path) -> None:
    load(path, CONFIG + "paused = true\n")
    berlin = Warehouse.objects.get()
    waiting, for_any = park(f"warehouse:{berlin.pk}"), park(f"shop:{berlin.shop_id}")
    load(path, CONFIG + "paused = false\n")
    assert (is_parked(waiting), is_parked(for_any)) == (False, False)


def test_other_credentials_replace_the_issued_token_and_let_work_go_on(path: Path) -> None:
    load(path, CONFIG)
    Shop.objects.update(issued_token="of-the-old-app")
    waiting = park(f"shop:{Shop.objects.get().pk}")
    load(path, CONFIG.replace("env:BERLIN_TOKEN", "shpat_other"))
    assert (Shop.objects.get().issued_token, Shop.objects.get().access_token) == ("", "shpat_other")
    assert not is_parked(waiting)


def test_a_new_shop_gets_its_subscriptions(path: Path) -> None:
    load(path, CONFIG)
    load(path, CONFIG)
    assert Job.objects.filter(kind="shops.check_subscriptions").count() == 1


def test_a_warehouse_may_name_what_is_stored_already(path: Path) -> None:
    head, _, warehouse = CONFIG.partition("[[warehouses]]")
    load(path, head)
    assert "created warehouse BER1" in load(path, "[[warehouses]]" + warehouse)


def test_a_client_id_and_secret_do_as_well_as_a_token(path: Path) -> None:
    text = '[[shops]]\ndomain = "a.myshopify.com"\nclient_id = "id"\nclient_secret = "s"\nsubmit_policy = "always"\n'
    load(path, text)
    shop = Shop.objects.get()
    assert (shop.client_id, shop.client_secret, shop.submit_policy) == ("id", "s", "always")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('slug = "north"', 'slug = "north"\ncolour = "red"', "line 9: [[connections]] unknown key colour"),
        ("priority = 1", "priorty = 1", "line 21: [[warehouses]] unknown key priorty"),
        ("# The house of design section 7", "[settings]\nx = 1", "line 1: unknown table or key settings"),
        ("# The house of design section 7", "debug = true", "line 1: unknown table or key debug"),
        (
            "env:NORTH_TOKEN",
            "env:NOT_SET",
            "line 11: [[connections]] token: environment variable NOT_SET is not set",
        ),
        ("env:BERLIN_TOKEN", "env:", "line 4: [[shops]] access_token: environment variable  is not set"),
        (
            'adapter = "rest"',
            'adapter = "fax"',
            "line 9: [[connections]] adapter: no such adapter; known: rest",
        ),
        ("priority = 1", 'priority = "1"', "line 21: [[warehouses]] priority:"),
        ("priority = 1", "priority = true", "line 21: [[warehouses]] priority:"),
        ("priority = 1", "priority = 1.0", "line 21: [[warehouses]] priority:"),
        ("priority = 1", 'paused = "no"', "line 21: [[warehouses]] paused:"),
        ("priority = 1", "is_active = 0", "line 21: [[warehouses]] is_active:"),
        ("priority = 1", 'daily_capacity = "50"', "line 21: [[warehouses]] daily_capacity:"),
        ("latitude = 52.52", 'latitude = "52.52"', "line 23: [[warehouses]] latitude:"),
        ("= 101", "= true", "line 20: [[warehouses]] shopify_location_id:"),
        ("= 101", "= 101.0", "line 20: [[warehouses]] shopify_location_id:"),
        ('["DE", "at"]', '"DE"', "line 22: [[warehouses]] serves_countries:"),
        ('adapter = "rest"', "adapter = 1", "line 9: [[connections]] adapter:"),
        ('adapter = "rest"', 'capabilities = "cancel"', "line 9: [[connections]] capabilities:"),
        (
            'domain = "berlin',
            'notify_customer = "yes"\ndomain = "berlin',
            "line 3: [[shops]] notify_customer:",
        ),
        ('domain = "berlin', 'submit_test_orders = 1\ndomain = "berlin', "line 3: [[shops]] submit_test"),
        ("http://127", "gopher://127", "line 10: [[connections]] base_url:"),
        ('"available"', '"guessed"', "line 13: [[connections]] stock_basis:"),
        ('stock_basis = "available"', 'time_zone = "Berlin"', "line 13: [[connections]] time_zone:"),
        ('adapter = "rest"', 'name = "No\\u0000rth"', "line 9: [[connections]] name: It holds a line break"),
        (
            "# The house",
            '[[shops]]\nname = "\\u0001"\n# The house',
            "line 2: [[shops]] name: It holds a line",
        ),
        ('"BER1"', '"BER\\u00001"', "line 19: [[warehouses]] wms_warehouse_code: It holds a line break"),
        ('connection = "north"', 'connection = "nor\\nth"', "line 16: [[warehouses]] connection: It holds"),
        ('"env:NORTH_TOKEN"', '"tök€n"', "line 11: [[connections]] token: It holds a space, or a character"),
        ('"env:BERLIN_TOKEN"', '"shpat 1"', "line 4: [[shops]] access_token: It holds a space"),
        ("priority = 1", "priority = -1", "line 21: [[warehouses]] priority:"),
        ("priority = 1", 'priority = "high"', "line 21: [[warehouses]] priority:"),
        ('["DE", "at"]', '["DE", "Austria"]', "line 22: [[warehouses]] serves_countries:"),
        ("latitude = 52.52", "latitude = 152", "line 23: [[warehouses]] latitude:"),
        ('"berlin.myshopify.com"\naccess', '"berlin.example.com"\naccess', "line 3: [[shops]] domain:"),
        ('slug = "north"\n', "", "line 7: [[connections]] slug: Field required"),
        ("= 101", '= "gid://shopify/Location/x"', "line 20: [[warehouses]] shopify_location_id:"),
        ("shopify_location_id = 101\n", "", "line 15: [[warehouses]] needs shopify_location_id"),
        ('access_token = "env:BERLIN_TOKEN"\n', "", "line 2: [[shops]] needs access_token, or client_id"),
        ('token = "env:NORTH_TOKEN"\n', "", "line 7: [[connections]] needs token"),
        (
            'connection = "north"',
            'connection = "south"',
            "line 16: [[warehouses]] there is no connection south",
        ),
        ('slug = "north"', 'slug = "north', "line 8: is not TOML"),
        (
            "[[connections]]",
            '[[shops]]\ndomain = "berlin.myshopify.com"\n[[connections]]',
            "line 7: [[shops]] berlin",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_line(path: Path, old: str, new: str, complaint: str) -> None:
    assert old in CONFIG
    assert complaint in refusal(path, CONFIG.replace(old, new, 1))
    assert not Shop.objects.exists()
    assert not Connection.objects.exists()
    assert not Job.objects.exists()


def test_all_that_is_wrong_is_named_at_once(path: Path) -> None:
    text = CONFIG.replace("priority = 1", "priority = -1").replace("env:NORTH_TOKEN", "env:NOT_SET")
    assert len([line for line in refusal(path, text).splitlines() if ", line " in line]) == 2


def test_a_later_mistake_undoes_the_earlier_tables(path: Path) -> None:
    load(path, CONFIG)
    other = (
        CONFIG.partition("[[warehouses]]")[2]
        .replace('"BER1"', '"BER2"')
        .replace("priority = 1", "priority = 9")
    )
    changed = CONFIG.replace("priority = 1", "priority = 5") + "[[warehouses]]" + other
    assert "line 25: [[warehouses]]" in refusal(path, changed)
    assert Warehouse.objects.get().priority == 1


@pytest.mark.parametrize("raw", [b"\xff\xfe\x00", b"\x00", b"a = " + b"[" * 5000])
def test_a_file_of_another_kind_is_refused(path: Path, raw: bytes) -> None:
    assert "is not" in refusal(path, raw)


@pytest.mark.parametrize("name", ["NORTH_TOKEN", "NORTH_SECRET", "BERLIN_TOKEN", "BERLIN_SECRET"])
def test_a_secret_with_a_line_break_from_the_environment_is_refused(
    path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "read-from-a-file\n")
    told = refusal(path, CONFIG)
    assert "It holds a" in told
    assert "read-from-a-file" not in told


def test_a_missing_file_is_refused(path: Path) -> None:
    with pytest.raises(CommandError, match="No such file"):
        call_command("load_config", str(path))


def test_secrets_never_reach_a_complaint(path: Path) -> None:
    text = CONFIG.replace('token = "env:NORTH_TOKEN"', 'token = ["a-plain-secret"]')
    assert "a-plain-secret" not in refusal(path, text)


def test_many_tables_cost_queries_in_proportion(path: Path, django_assert_max_num_queries: Any) -> None:
    load(path, CONFIG)
    with django_assert_max_num_queries(10):
        load(path, CONFIG)


MOVE = """\
[[connections]]
slug = "north"
base_url = "https://evil.example.com/north"
"""


def test_a_token_goes_to_another_host_only_when_the_file_names_it(path: Path) -> None:
    load(path, CONFIG)
    assert "line 3: [[connections]] base_url: it is another host's" in refusal(path, MOVE)
    assert Connection.objects.get().base_url == "http://127.0.0.1:9002/north"
    load(path, MOVE + 'token = "env:NORTH_TOKEN"\n')
    found = Connection.objects.get()
    assert (found.base_url, found.token) == ("https://evil.example.com/north", "north_token-value")


@pytest.mark.parametrize(
    "address", ["http://10.0.0.1/", "https://u:p@wms.example.com", "https://x.example.com/?a"]
)
def test_addresses_that_may_not_be_called_are_refused_with_their_line(path: Path, address: str) -> None:
    told = refusal(path, CONFIG.replace("http://127.0.0.1:9002/north", address))
    assert "line 10: [[connections]] base_url: " in told
    assert Connection.objects.count() == 0
