"""import_skus, export_skus, verify_skus as staff run them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from skumap.models import SkuMapping
from tests.builders import make_connection, make_mapping, make_shop, make_warehouse
from tests.skumap.conftest import Variants
from wms.models import Warehouse

pytestmark = pytest.mark.django_db

HEADER = "shopify_variant_id,shopify_sku,shopify_inventory_item_id,wms_item_code,quantity\n"
MUGS = HEADER + "11,MUG-1,1011,MUG,1\n12,MUG-6,1012,MUG,6\n"


@pytest.fixture
def berlin() -> Warehouse:
    return make_warehouse(make_shop(), make_connection())


@pytest.fixture
def mugs(tmp_path: Path) -> Path:
    path = tmp_path / "mugs.csv"
    path.write_text(MUGS)
    return path


def run(*arguments: Any) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command(*map(str, arguments), stdout=out, stderr=err, no_color=True)
    return out.getvalue(), err.getvalue()


def load(path: Path, *more: str, warehouse: str = "BER1", shop: str = "berlin.myshopify.com") -> str:
    return run("import_skus", path, "--shop", shop, "--warehouse", warehouse, *more)[0]


def test_an_import_reports_what_it_did(berlin: Warehouse, mugs: Path) -> None:
    assert load(mugs, "--dry-run") == "Would be: 2 created, 0 updated, 0 unchanged, 0 deactivated.\n"
    assert not SkuMapping.objects.exists()
    done, asked = load(mugs).splitlines()
    assert done == "Done: 2 created, 0 updated, 0 unchanged, 0 deactivated."
    assert "Shopify is asked now" in asked
    assert load(mugs, warehouse="north/BER1") == "Done: 0 created, 0 updated, 2 unchanged, 0 deactivated.\n"


def test_errors_are_listed_by_row_and_nothing_is_written(berlin: Warehouse, mugs: Path) -> None:
    mugs.write_text(MUGS + "13,SET,1013,MUG,none\n")
    err = io.StringIO()
    with pytest.raises(CommandError, match="1 error; nothing was imported"):
        call_command("import_skus", str(mugs), shop="berlin.myshopify.com", warehouse="BER1", stderr=err)
    assert err.getvalue().startswith("row 4, quantity: 'none' is not a whole number")
    assert not SkuMapping.objects.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shop": "oslo.myshopify.com"}, "there is no shop oslo"),
        ({"warehouse": "OSL1"}, "has no warehouse OSL1; it has: north/BER1"),
    ],
)
def test_a_wrong_place_is_refused(
    berlin: Warehouse, mugs: Path, options: dict[str, str], message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        load(mugs, **options)


def test_a_code_that_is_used_twice_asks_for_the_connection(berlin: Warehouse, mugs: Path) -> None:
    make_warehouse(berlin.shop, make_connection("south"), wms_warehouse_code="BER1")
    with pytest.raises(CommandError, match="used twice, name one of: north/BER1, south/BER1"):
        load(mugs)


def test_a_missing_file_is_refused(berlin: Warehouse, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file"):
        load(tmp_path / "nothing.csv")


def test_an_export_is_a_file_that_can_be_imported(berlin: Warehouse, mugs: Path, tmp_path: Path) -> None:
    load(mugs)
    make_mapping(berlin, 99, "OLD", is_active=False)
    path = tmp_path / "out.csv"
    place = ("--shop", "berlin.myshopify.com", "--warehouse", "BER1")
    assert run("export_skus", *place, "--output", path) == ("", "2 mappings exported.\n")
    assert path.read_text() == MUGS
    assert run("export_skus", *place)[0] == MUGS
    assert load(path) == "Done: 0 created, 0 updated, 2 unchanged, 0 deactivated.\n"


def test_an_export_of_everything_says_where(berlin: Warehouse, mugs: Path) -> None:
    load(mugs)
    lines = run("export_skus")[0].splitlines()
    assert lines[0].startswith("shop,warehouse,shopify_variant_id")
    assert lines[1] == "berlin.myshopify.com,BER1,11,MUG-1,1011,MUG,1"


def test_an_export_takes_the_same_queries_for_any_size(
    berlin: Warehouse, django_assert_max_num_queries: Any
) -> None:
    for number in range(1, 101):
        make_mapping(berlin, number, f"ITEM-{number}")
    with django_assert_max_num_queries(1):
        run("export_skus")


def test_verifying_lists_what_is_gone_or_changed(berlin: Warehouse, mugs: Path, variants: Variants) -> None:
    load(mugs)
    make_mapping(berlin, 13, "CUP", shopify_sku="CUP", shopify_inventory_item_id=1013)
    variants.known = {12: ("MUG-SIX", 1012), 13: ("CUP", 1013)}
    variants.throttled = 1
    told = io.StringIO()
    with pytest.raises(CommandError, match=r"not in order: berlin\.myshopify"):
        call_command("verify_skus", stdout=told)
    out = told.getvalue()
    assert "variant 11 (SKU MUG-1) is gone" in out
    assert "variant 12 was mapped as SKU MUG-6, inventory item 1012; Shopify shows SKU MUG-SIX, inv" in out
    assert "3 variants checked, 1 gone, 1 changed." in out
    unverified = SkuMapping.objects.filter(needs_verification=True).order_by("pk")
    assert [mapping.shopify_variant_id for mapping in unverified] == [11, 12]


def test_verifying_succeeds_when_all_is_as_mapped(berlin: Warehouse, mugs: Path, variants: Variants) -> None:
    load(mugs)
    variants.known = {11: ("MUG-1", 1011), 12: ("MUG-6", 1012)}
    assert run("verify_skus")[0] == "berlin.myshopify.com: 2 variants checked, 0 gone, 0 changed.\n"


def test_a_shop_that_cannot_be_read_fails_the_command_and_the_others_are_verified(
    berlin: Warehouse, mugs: Path, variants: Variants
) -> None:
    aachen = make_warehouse(make_shop("aachen.myshopify.com"), berlin.connection, "Aachen")
    make_mapping(aachen, 99)
    load(mugs)
    variants.known = {11: ("MUG-1", 1011), 12: ("MUG-6", 1012)}
    out = io.StringIO()
    with pytest.raises(CommandError, match=r"not in order: aachen\.myshopify"):
        call_command("verify_skus", stdout=out, stderr=io.StringIO())
    assert "berlin.myshopify.com: 2 variants checked, 0 gone, 0 changed." in out.getvalue()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--shop", "oslo.myshopify.com"), "there is no shop oslo"),
        (("--warehouse", "OSL1"), "there is no warehouse OSL1"),
        (("--warehouse", "south/BER1"), "there is no warehouse south/BER1"),
        (("--shop", "berlin.myshopify.com", "--warehouse", "OSL1"), "no warehouse OSL1 of berlin"),
    ],
)
def test_an_export_of_what_there_is_not_is_refused(
    berlin: Warehouse, options: tuple[str, ...], message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        run("export_skus", *options)


@pytest.mark.parametrize("command", ["verify_skus", "reconcile", "register_webhooks"])
def test_a_command_with_nothing_to_do_it_to_fails(db: None, command: str) -> None:
    with pytest.raises(CommandError, match="there is no active"):
        run(command)


def test_verifying_an_unknown_shop_is_refused(berlin: Warehouse) -> None:
    with pytest.raises(CommandError, match="no active shop"):
        run("verify_skus", "--shop", "oslo.myshopify.com")
