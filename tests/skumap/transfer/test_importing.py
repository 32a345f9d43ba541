"""CSV in, mappings out: all of it, or nothing and the reasons."""

from __future__ import annotations

import io
import time
import tracemalloc
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest

from ops.alerting.alerts import raise_alert
from ops.models import Alert, Job
from ops.refs import Subject
from skumap.models import SkuMapping
from skumap.transfer import csv_rows, importing, staging
from skumap.transfer.importing import ImportReport, import_csv
from tests.builders import make_connection, make_mapping, make_shop, make_warehouse
from tests.drain import drain
from tests.parked import is_parked, park
from tests.skumap.conftest import LockHeld, Variants
from wms.models import Warehouse

pytestmark = pytest.mark.django_db

HEADER = "shopify_variant_id,shopify_sku,shopify_inventory_item_id,wms_item_code,quantity\n"
MUGS = HEADER + "11,MUG-1,1011,MUG,\n12,MUG-6,1012,MUG,6\n13,SET,1013,MUG,2\n13,SET,1013,TEAPOT,1\n"


@pytest.fixture
def berlin() -> Warehouse:
    return make_warehouse(make_shop(), make_connection())


def load(warehouse: Warehouse, text: str | bytes, *, dry_run: bool = False) -> ImportReport:
    raw = text.encode() if isinstance(text, str) else text
    return import_csv(io.BytesIO(raw), shop=warehouse.shop, warehouse=warehouse, dry_run=dry_run)


class Lines(io.BytesIO):
    """A file that is made while it is read."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        super().__init__()
        self.lines = lines

    def readline(self, size: int | None = -1, /) -> bytes:
        return next(self.lines, b"")


def stored() -> list[tuple[Any, ...]]:
    columns = ("shopify_variant_id", "shopify_sku", "shopify_inventory_item_id", "wms_item_code", "quantity")
    active = SkuMapping.objects.filter(is_active=True)
    return list(active.order_by("shopify_variant_id", "wms_item_code").values_list(*columns))


def test_a_file_becomes_mappings(berlin: Warehouse) -> None:
    assert load(berlin, MUGS) == ImportReport(created=4)
    assert stored() == [
        (11, "MUG-1", 1011, "MUG", 1),
        (12, "MUG-6", 1012, "MUG", 6),
        (13, "SET", 1013, "MUG", 2),
        (13, "SET", 1013, "TEAPOT", 1),
    ]
    mapping = SkuMapping.objects.get(shopify_variant_id=11)
    assert (mapping.shop, mapping.warehouse, mapping.needs_verification) == (berlin.shop, berlin, False)


def test_the_same_file_again_changes_nothing(berlin: Warehouse) -> None:
    load(berlin, MUGS)
    before = list(SkuMapping.objects.order_by("pk").values())
    assert load(berlin, MUGS) == ImportReport(unchanged=4)
    assert list(SkuMapping.objects.order_by("pk").values()) == before


def test_changed_rows_are_updated_and_the_rest_is_left_alone(berlin: Warehouse) -> None:
    load(berlin, MUGS)
    assert load(berlin, HEADER + "12,MUG-12,1012,MUG,12\n") == ImportReport(updated=1)
    assert (12, "MUG-12", 1012, "MUG", 12) in stored()
    assert len(stored()) == 4


def test_a_corrected_item_code_does_not_make_a_kit(berlin: Warehouse) -> None:
    load(berlin, MUGS)
    assert load(berlin, HEADER + "11,MUG-1,1011,CUP,1\n") == ImportReport(created=1, deactivated=1)
    assert [row[3] for row in stored() if row[0] == 11] == ["CUP"]


def test_other_warehouses_are_left_alone(berlin: Warehouse) -> None:
    vienna = make_warehouse(berlin.shop, berlin.connection, "Vienna")
    make_mapping(vienna, 11, "TASSE")
    load(berlin, MUGS)
    assert SkuMapping.objects.get(warehouse=vienna).is_active


def test_a_switched_off_mapping_that_is_imported_is_on_again(berlin: Warehouse) -> None:
    load(berlin, MUGS)
    SkuMapping.objects.filter(shopify_variant_id=11).update(is_active=False)
    assert load(berlin, MUGS) == ImportReport(updated=1, unchanged=3)
    assert len(stored()) == 4


def test_a_need_for_verification_ends_only_with_another_sku(berlin: Warehouse) -> None:
    load(berlin, MUGS)
    SkuMapping.objects.update(needs_verification=True)
    load(berlin, MUGS)
    assert SkuMapping.objects.filter(needs_verification=True).count() == 4
    load(berlin, HEADER + "11,MUG-NEW,1011,MUG,1\n")
    assert not SkuMapping.objects.get(shopify_variant_id=11).needs_verification


def test_a_dry_run_says_the_same_and_writes_nothing(berlin: Warehouse) -> None:
    waiting = park(f"sku:{berlin.shop_id}:11")
    assert load(berlin, MUGS, dry_run=True) == ImportReport(created=4)
    assert not SkuMapping.objects.exists()
    assert is_parked(waiting)
    assert load(berlin, MUGS) == ImportReport(created=4)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + MUGS,
        MUGS.replace(",", ";"),
        MUGS.replace(",", "\t"),
        MUGS.replace("\n", "\r\n"),
        MUGS.replace(
            "11,MUG-1,1011", "gid://shopify/ProductVariant/11, MUG-1 ,gid://shopify/InventoryItem/1011"
        ),
        MUGS.replace("shopify_sku", "Shopify_SKU ") + "\n,,,,\n",
        MUGS.replace("MUG-1,", '"MUG-1",'),
    ],
)
def test_what_spreadsheets_make_of_it_is_the_same_file(berlin: Warehouse, text: str) -> None:
    assert load(berlin, text) == ImportReport(created=4)
    assert stored()[0] == (11, "MUG-1", 1011, "MUG", 1)


def test_quantity_is_an_optional_column_and_a_sku_may_be_blank(berlin: Warehouse) -> None:
    text = "wms_item_code,shopify_variant_id,shopify_inventory_item_id,shopify_sku\nMUG,11,1011,\n"
    assert load(berlin, text) == ImportReport(created=1)
    assert stored() == [(11, "", 1011, "MUG", 1)]


@pytest.mark.parametrize(
    ("row", "column", "message"),
    [
        ("x,MUG-1,1011,MUG,1", "shopify_variant_id", "neither a number"),
        (",MUG-1,1011,MUG,1", "shopify_variant_id", "is empty"),
        ("0,MUG-1,1011,MUG,1", "shopify_variant_id", "neither a number"),
        ("-5,MUG-1,1011,MUG,1", "shopify_variant_id", "neither a number"),
        ("9223372036854775808,MUG-1,1011,MUG,1", "shopify_variant_id", "neither a number"),
        ("4.2E+13,MUG-1,1011,MUG,1", "shopify_variant_id", "rounded by a spreadsheet"),
        ("gid://shopify/Product/11,MUG-1,1011,MUG,1", "shopify_variant_id", "neither a number"),
        ("11,MUG-1,gid://shopify/ProductVariant/11,MUG,1", "shopify_inventory_item_id", "neither a number"),
        ("11,MUG-1,,MUG,1", "shopify_inventory_item_id", "is empty"),
        ("11,MUG-1,1011,,1", "wms_item_code", "is empty"),
        ("11,MUG-1,1011,MUG,0", "quantity", "whole number"),
        ("11,MUG-1,1011,MUG,-1", "quantity", "whole number"),
        ("11,MUG-1,1011,MUG,1.5", "quantity", "whole number"),
        ("11,MUG-1,1011,MUG,²", "quantity", "whole number"),
        ("11,MUG-1,1011,MUG,100001", "quantity", "whole number"),
        (f"11,{'x' * 256},1011,MUG,1", "shopify_sku", "longer than 255"),
        ("11,MUG\x00,1011,MUG,1", "shopify_sku", "control character"),
        ('11,"MUG\n1",1011,MUG,1', "shopify_sku", "control character"),
        ("11,MUG-1,1011", "", "has 3 columns"),
        ("11,MUG-1,1011,MUG,1,more", "", "has 6 columns"),
        ("12,MUG-6,1012,MUG,1", "wms_item_code", "is in row 2 already"),
        ("12,MUG-6,1099,CUP,1", "shopify_inventory_item_id", "has inventory item 1012 in row 2"),
        ("12,OTHER,1012,CUP,1", "shopify_sku", "has SKU 'MUG-6' in row 2"),
    ],
)
def test_a_wrong_row_is_named_and_nothing_is_written(
    berlin: Warehouse, row: str, column: str, message: str
) -> None:
    report = load(berlin, f"{HEADER}12,MUG-6,1012,MUG,6\n{row}\n14,OK,1014,OK,1\n")
    assert [(error.row - row.count("\n"), error.column) for error in report.errors] == [(3, column)]
    assert message in report.errors[0].message
    assert not SkuMapping.objects.exists()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "the file is empty"),
        (b"\n \n", "the file is empty"),
        (HEADER.encode(), "has a header and no rows"),
        (b"shopify_variant_id,shopify_sku\n", "columns shopify_inventory_item_id, wms_item_code are missing"),
        (b"11,MUG-1,1011,MUG\n", "the first row names 11, mug-1, 1011, mug"),
        (HEADER.replace("quantity", "amount").encode(), "is not known"),
        (HEADER.replace("quantity", "shopify_sku").encode(), "is there twice"),
        (MUGS.encode("utf-16"), "is not UTF-8"),
        (MUGS.replace("SET", "SÉT").encode("latin-1"), "is not UTF-8"),
        (HEADER.encode() + b'11,"MUG,1011,MUG,1\n' + b"x" * 140_000, "is not CSV"),
    ],
)
def test_a_file_of_another_kind_is_refused(berlin: Warehouse, raw: bytes, message: str) -> None:
    report = load(berlin, raw)
    assert message in report.errors[0].message
    assert not SkuMapping.objects.exists()


def test_an_empty_file_is_one_complaint_and_so_are_columns_that_are_missing(berlin: Warehouse) -> None:
    assert len(load(berlin, b"").errors) == 1
    assert len(load(berlin, b"shopify_variant_id\n11\n").errors) == 1


# --- rows that cannot be true together ---


def test_an_inventory_item_of_two_variants_is_refused_with_both_rows(berlin: Warehouse) -> None:
    report = load(berlin, HEADER + "207,COFFEE,100207,COF,1\n210,X,100210,X,1\n205,ONLY,100207,OB,1\n")
    assert [(error.row, error.column) for error in report.errors] == [(4, "shopify_inventory_item_id")]
    assert "inventory item 100207 is that of variant 207 in row 2" in report.errors[0].message
    assert not SkuMapping.objects.exists()


def test_an_inventory_item_of_a_variant_mapped_before_is_refused_wherever_that_is_mapped(
    berlin: Warehouse,
) -> None:
    vienna = make_warehouse(berlin.shop, berlin.connection, "Vienna")
    make_mapping(vienna, 207, "COF", shopify_sku="COFFEE", shopify_inventory_item_id=100207)
    for dry_run in (True, False):
        report = load(berlin, HEADER + "205,ONLY,100207,OB,1\n", dry_run=dry_run)
        assert [(error.row, error.column) for error in report.errors] == [(2, "shopify_inventory_item_id")]
        assert "variant 207 (SKU COFFEE) at Vienna (north/VIE1)" in report.errors[0].message
    assert SkuMapping.objects.get().shopify_variant_id == 207


def test_a_mapping_switched_off_or_of_another_shop_claims_nothing(berlin: Warehouse) -> None:
    make_mapping(berlin, 207, "COF", shopify_inventory_item_id=100207, is_active=False)
    paris = make_warehouse(make_shop("paris.myshopify.com"), berlin.connection, "Paris")
    make_mapping(paris, 208, "COF", shopify_inventory_item_id=100207)
    assert load(berlin, HEADER + "205,ONLY,100207,OB,1\n") == ImportReport(created=1)


def test_two_variants_whose_inventory_items_were_crossed_are_put_right_by_one_file(berlin: Warehouse) -> None:
    load(berlin, HEADER + "207,COFFEE,100205,COF,1\n205,ONLY,100207,OB,1\n")
    assert load(berlin, HEADER + "207,COFFEE,100207,COF,1\n205,ONLY,100205,OB,1\n") == ImportReport(updated=2)
    assert [(row[0], row[2]) for row in stored()] == [(205, 100205), (207, 100207)]


def test_a_corrected_inventory_item_is_corrected_at_the_other_warehouses_too(berlin: Warehouse) -> None:
    vienna = make_warehouse(berlin.shop, berlin.connection, "Vienna")
    make_mapping(vienna, 11, "TASSE", shopify_inventory_item_id=999)
    waiting = park(f"sku:{berlin.shop_id}:11")
    text = HEADER + "11,MUG-1,1011,MUG,1\n"
    assert load(berlin, text, dry_run=True) == ImportReport(created=1, corrected=1)
    assert load(berlin, text) == ImportReport(created=1, corrected=1)
    assert SkuMapping.objects.get(warehouse=vienna).shopify_inventory_item_id == 1011
    assert not is_parked(waiting)


def test_every_complaint_of_a_file_is_told_at_once_in_the_order_of_its_rows(berlin: Warehouse) -> None:
    rows = "11,A,1011,MUG,1\n11,A,1011,MUG,1\nx,B,1012,CUP,1\n13,C,1011,CUP,1\n11,Z,1011,POT,1\n"
    assert [(error.row, error.column) for error in load(berlin, HEADER + rows).errors] == [
        (3, "wms_item_code"),
        (4, "shopify_variant_id"),
        (5, "shopify_inventory_item_id"),
        (6, "shopify_sku"),
    ]


def test_ids_that_changed_are_checked_at_shopify_right_after_the_import(
    berlin: Warehouse, variants: Variants
) -> None:
    variants.known = {11: ("MUG-1", 1011), 12: ("MUG-6", 9999)}
    load(berlin, MUGS, dry_run=True)
    assert not Job.objects.exists()
    load(berlin, MUGS)
    drain()
    assert variants.asked == [[11, 12, 13]]
    told = Alert.objects.filter(state="open").values_list("kind", "subject")
    assert sorted(told) == [
        ("sku_changed", "sku:berlin.myshopify.com:12"),
        ("sku_gone", "sku:berlin.myshopify.com:13"),
    ]
    load(berlin, MUGS)
    drain()
    assert variants.asked == [[11, 12, 13]]


def test_after_a_large_import_the_whole_shop_is_looked_through_page_by_page(
    berlin: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "CHECKED_BY_NAME", 3)
    load(berlin, HEADER + "".join(f"{n},S,{n + 100},ITEM,1\n" for n in range(1, 10)))
    assert Job.objects.get(kind="skumap.verify").payload == {"shop": berlin.shop_id, "after": 0}


def test_two_imports_of_one_shop_do_not_run_into_each_other(berlin: Warehouse, lock_held: LockHeld) -> None:
    with lock_held(f"skumap:{berlin.shop_id}"):
        report = load(berlin, MUGS)
    assert [(error.row, error.column) for error in report.errors] == [(0, "")]
    assert "try again" in report.errors[0].message
    assert load(berlin, MUGS) == ImportReport(created=4)


def test_reading_stops_at_the_limits(berlin: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "MAX_ERRORS", 3)
    wrong = load(berlin, HEADER + "x,,,,\n" * 50)
    assert [error.message for error in wrong.errors][-1] == "too many errors: the rest was not read"
    assert len(wrong.errors) == 4
    monkeypatch.setattr(csv_rows, "MAX_ROWS", 3)
    assert "more than 3 rows" in load(berlin, MUGS).errors[0].message
    monkeypatch.setattr(csv_rows, "MAX_BYTES", 100)
    assert "larger than" in load(berlin, MUGS).errors[0].message
    monkeypatch.undo()
    assert "longer than" in load(berlin, HEADER + "1" * (csv_rows.MAX_LINE_BYTES + 2)).errors[0].message


def test_a_warehouse_of_another_shop_is_refused(berlin: Warehouse) -> None:
    paris = make_shop("paris.myshopify.com")
    with pytest.raises(ValueError, match="another shop"):
        import_csv(io.BytesIO(MUGS.encode()), shop=paris, warehouse=berlin, dry_run=False)


def test_what_waited_for_a_mapping_goes_on_and_its_alert_closes(berlin: Warehouse) -> None:
    for variant in (11, 99):
        raise_alert(
            "unmapped_sku",
            subject=Subject(f"sku:{berlin.shop.domain}:{variant}"),
            title="t",
            meaning="m",
            action="a",
        )
    waiting, other = park(f"sku:{berlin.shop_id}:11"), park(f"sku:{berlin.shop_id}:99")
    load(berlin, MUGS)
    assert not is_parked(waiting)
    assert is_parked(other)
    assert Alert.objects.get(state="open").subject.endswith(":99")


def test_ten_thousand_rows_take_seconds_and_wake_by_pages(berlin: Warehouse) -> None:
    rows = "".join(f"{n},SKU-{n},{n + 50_000},ITEM-{n},1\n" for n in range(1, 10_001))
    waiting = park(f"sku:{berlin.shop_id}:9999")
    began = time.process_time()  # other processes may have the machine
    assert load(berlin, HEADER + rows) == ImportReport(created=10_000)
    assert load(berlin, HEADER + rows) == ImportReport(unchanged=10_000)
    assert time.process_time() - began < 10
    assert Job.objects.filter(kind="skumap.wake").count() == 20
    assert Job.objects.filter(kind="skumap.verify").count() == 1
    Job.objects.filter(kind="skumap.verify").delete()
    drain()
    assert not is_parked(waiting)


@pytest.mark.parametrize("portion", [1, 2, 3])
def test_the_size_of_a_portion_makes_no_difference(
    berlin: Warehouse, monkeypatch: pytest.MonkeyPatch, portion: int
) -> None:
    monkeypatch.setattr(staging, "PORTION", portion)
    make_mapping(berlin, 13, "LID", shopify_inventory_item_id=1013)
    assert load(berlin, MUGS) == ImportReport(created=4, deactivated=1)
    assert len(stored()) == 4
    assert load(berlin, MUGS) == ImportReport(unchanged=4)


def test_memory_stays_flat_and_no_statement_takes_the_whole_file(
    berlin: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "PORTION", 1_000)

    def peak_of(rows: int) -> int:
        lines = (f"{n},SKU-{n},{n + 10_000_000},ITEM-{n},1\n".encode() for n in range(1, rows + 1))
        tracemalloc.start()
        try:
            report = import_csv(
                Lines(chain([HEADER.encode()], lines)), shop=berlin.shop, warehouse=berlin, dry_run=True
            )
            assert report == ImportReport(created=rows)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak_of(1_000)
    assert peak_of(8_000) < 1.5 * peak_of(2_000)
