"""Staff edit mappings by hand and by file; what waited goes on."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from ops.models import Alert, Job
from shops.ids import InventoryItemId, VariantId
from skumap.models import SkuMapping
from skumap.verification import review
from tests.builders import make_connection, make_mapping, make_shop, make_warehouse
from tests.parked import is_parked, park
from tests.skumap.conftest import LockHeld
from wms.models import Warehouse

pytestmark = pytest.mark.django_db

URL = "/admin/skumap/skumapping/"
MUGS = b"shopify_variant_id,shopify_sku,shopify_inventory_item_id,wms_item_code\n11,MUG-1,1011,MUG\n"


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("ada", password="a-long-password"))
    return client


@pytest.fixture
def berlin() -> Warehouse:
    return make_warehouse(make_shop(), make_connection())


def fields(warehouse: Warehouse, **changes: Any) -> dict[str, Any]:
    return {
        "warehouse": warehouse.pk,
        "shopify_variant_id": 11,
        "shopify_sku": "MUG-1",
        "shopify_inventory_item_id": 1011,
        "wms_item_code": "MUG",
        "quantity": 1,
        "is_active": "on",
        **changes,
    }


def upload(staff: Client, warehouse: Warehouse, raw: bytes, **more: Any) -> Any:
    data = {"warehouse": warehouse.pk, "file": SimpleUploadedFile("mugs.csv", raw), **more}
    return staff.post(f"{URL}upload/", data, secure=True, follow=True)


def test_a_new_mapping_closes_its_alert_and_lets_the_order_go_on(staff: Client, berlin: Warehouse) -> None:
    review.report_unmapped(berlin.shop, {VariantId(11): "MUG-1"})
    waiting = park(f"sku:{berlin.shop_id}:11")
    assert staff.post(f"{URL}add/", fields(berlin), secure=True).status_code == 302
    assert SkuMapping.objects.get().shop == berlin.shop
    assert not is_parked(waiting)
    assert Alert.objects.get().state == "closed"


def test_naming_the_new_sku_ends_the_need_for_verification(staff: Client, berlin: Warehouse) -> None:
    mug = make_mapping(berlin, 11, "MUG", shopify_sku="MUG-1", shopify_inventory_item_id=1011)
    review.mark_needs_verification(
        mug.shop, {mug: review.ShopifyVariant(VariantId(11), "MUG-2", InventoryItemId(1011))}
    )
    data = fields(berlin, shopify_sku="MUG-2", needs_verification="on")
    assert staff.post(f"{URL}{mug.pk}/change/", data, secure=True).status_code == 302
    mug.refresh_from_db()
    assert (mug.shopify_sku, mug.needs_verification) == ("MUG-2", False)
    assert Alert.objects.get(kind="sku_changed").state == "closed"


@pytest.mark.parametrize("wrong", [{"quantity": 0}, {"wms_item_code": ""}, {"shopify_variant_id": "x"}])
def test_a_wrong_mapping_is_refused(staff: Client, berlin: Warehouse, wrong: dict[str, Any]) -> None:
    assert staff.post(f"{URL}add/", fields(berlin, **wrong), secure=True).status_code == 200
    assert not SkuMapping.objects.exists()


def test_the_same_mapping_twice_is_refused_in_words(staff: Client, berlin: Warehouse) -> None:
    make_mapping(berlin, 11, "MUG")
    answer = staff.post(f"{URL}add/", fields(berlin), secure=True)
    assert answer.status_code == 200
    assert SkuMapping.objects.count() == 1


@pytest.mark.parametrize(("action", "adopt"), [("ask_shopify", False), ("adopt_from_shopify", True)])
def test_asking_shopify_only_enqueues(staff: Client, berlin: Warehouse, action: str, adopt: bool) -> None:
    chosen = [make_mapping(berlin, number).pk for number in (11, 12)]
    staff.post(URL, {"action": action, "_selected_action": chosen}, secure=True)
    assert Job.objects.get().payload == {"shop": berlin.shop_id, "variants": [11, 12], "adopt": adopt}


def test_mappings_are_switched_off_from_the_list(staff: Client, berlin: Warehouse) -> None:
    chosen = make_mapping(berlin, 11)
    staff.post(URL, {"action": "switch_off", "_selected_action": [chosen.pk]}, secure=True)
    assert not SkuMapping.objects.get().is_active


def test_the_list_is_searched_by_what_people_paste(staff: Client, berlin: Warehouse) -> None:
    mug = make_mapping(berlin, 11, "MUG")
    make_mapping(berlin, 12, "CUP")
    for pasted in ("11", "SKU-MUG", "MUG", "1000011"):
        page = staff.get(URL, {"q": pasted}, secure=True)
        assert list(page.context["cl"].result_list) == [mug]


def test_a_file_is_looked_at_and_then_imported(staff: Client, berlin: Warehouse) -> None:
    assert staff.get(f"{URL}upload/", secure=True).status_code == 200
    looked = upload(staff, berlin, MUGS, dry_run="on")
    assert "1 created, 0 updated" in looked.content.decode()
    assert not SkuMapping.objects.exists()
    upload(staff, berlin, MUGS)
    assert SkuMapping.objects.get().wms_item_code == "MUG"


def test_a_wrong_file_is_answered_by_its_rows(staff: Client, berlin: Warehouse) -> None:
    page = upload(staff, berlin, MUGS + b"12,X,,MUG\n").content.decode()
    assert "Nothing was imported" in page
    assert "shopify_inventory_item_id" in page
    assert not SkuMapping.objects.exists()


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (b"12,MU\x00G,1012,MUG\n", "holds a line break or another control character"),
        (b'12,"MU\nG",1012,MUG\n', "holds a line break or another control character"),
        (b"12,M,1012,MU\x1fG\n", "holds a line break or another control character"),
        (b"12,\xed\xa0\x80,1012,MUG\n", "is not UTF-8 text"),
    ],
)
def test_text_that_cannot_be_stored_is_told_with_its_row(
    staff: Client, berlin: Warehouse, row: bytes, complaint: str
) -> None:
    page = upload(staff, berlin, MUGS + row).content.decode()
    assert complaint in page
    assert not SkuMapping.objects.exists()


def test_what_is_wrong_with_the_whole_file_is_of_no_row(
    staff: Client, berlin: Warehouse, lock_held: LockHeld
) -> None:
    with lock_held(f"skumap:{berlin.shop_id}"):
        page = upload(staff, berlin, MUGS).content.decode()
    assert '<td class="pr-4">the file</td>' in page
    assert "somebody else is importing" in page


def test_a_mapping_holds_no_control_characters(staff: Client, berlin: Warehouse) -> None:
    for name in ("shopify_sku", "wms_item_code"):
        answer = staff.post(f"{URL}add/", fields(berlin, **{name: "A\x01B"}), secure=True)
        assert answer.context["adminform"].form.errors.keys() == {name}


def test_who_may_only_look_may_not_import(berlin: Warehouse) -> None:
    bob = User.objects.create_user("bob", password="a-long-password", is_staff=True)
    bob.user_permissions.add(Permission.objects.get(codename="view_skumapping"))
    client = Client()
    client.force_login(bob)
    assert client.get(URL, secure=True).status_code == 200
    assert upload(client, berlin, MUGS).status_code == 403
    assert not SkuMapping.objects.exists()


def test_an_inventory_item_is_saved_for_one_variant_only(staff: Client, berlin: Warehouse) -> None:
    vienna = make_warehouse(berlin.shop, berlin.connection, "Vienna")
    make_mapping(vienna, 12, "CUP", shopify_sku="CUP-1", shopify_inventory_item_id=1011)
    page = staff.post(f"{URL}add/", fields(berlin), secure=True)
    assert (
        "Inventory item 1011 is that of variant 12 (SKU CUP-1) at Vienna (north/VIE1)"
        in page.content.decode()
    )
    assert SkuMapping.objects.count() == 1


def test_a_corrected_inventory_item_is_corrected_at_every_warehouse_and_checked_at_shopify(
    staff: Client, berlin: Warehouse
) -> None:
    vienna = make_warehouse(berlin.shop, berlin.connection, "Vienna")
    make_mapping(vienna, 11, "TASSE", shopify_inventory_item_id=999)
    staff.post(f"{URL}add/", fields(berlin), secure=True)
    assert [*SkuMapping.objects.values_list("shopify_inventory_item_id", flat=True)] == [1011, 1011]
    assert Job.objects.get(kind="skumap.verify").payload["variants"] == [11]


def test_while_somebody_imports_a_mapping_is_not_saved(
    staff: Client, berlin: Warehouse, lock_held: LockHeld
) -> None:
    with lock_held(f"skumap:{berlin.shop_id}"):
        page = staff.post(f"{URL}add/", fields(berlin), secure=True)
    assert "save again in a moment" in page.content.decode()
    assert not SkuMapping.objects.exists()


def test_a_large_file_is_for_the_command(staff: Client, berlin: Warehouse) -> None:
    page = upload(staff, berlin, MUGS + b" " * 4 * 1024 * 1024)
    assert "import it with manage.py import_skus" in page.content.decode()
    assert not SkuMapping.objects.exists()
