"""What a quantity at Shopify depends on: if that changes, everything is told anew, once."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from inventory.models import StockLevel, Told
from inventory.push import push_due, scope
from ops.models import Job
from tests.builders import make_connection, make_level, make_mapping, make_shop, make_warehouse
from wms.models import Connection, Warehouse

pytestmark = pytest.mark.django_db


@pytest.fixture
def berlin() -> Warehouse:
    """A warehouse with two levels, all of which Shopify was told."""
    warehouse = make_warehouse(make_shop(), make_connection())
    for item in ("MUG", "TEE"):
        make_level(warehouse, item)
    assert scope.check(warehouse) == 2
    rest()
    return warehouse


def rest() -> None:
    """Nothing is due any more."""
    StockLevel.objects.update(push_due_since=None)
    Job.objects.all().delete()


def checked(warehouse: Warehouse) -> int:
    return scope.check(Warehouse.objects.select_related("shop", "connection").get(pk=warehouse.pk))


def asked() -> set[str]:
    return set(Job.objects.values_list("kind", flat=True))


def test_the_same_scope_once_more_marks_nothing(berlin: Warehouse) -> None:
    assert (checked(berlin), asked()) == (0, set())


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        (Warehouse, {"shopify_location_id": 9}),
        (Warehouse, {"wms_warehouse_code": "BER2"}),
        (Connection, {"stock_basis": "on_hand"}),
    ],
)
def test_every_part_of_the_scope_marks_all_levels_once(
    berlin: Warehouse, model: Any, changes: dict[str, Any]
) -> None:
    model.objects.update(**changes)
    assert (checked(berlin), asked()) == (2, {"inventory.push"})
    rest()
    assert (checked(berlin), asked()) == (0, set())


def test_another_account_at_a_wms_is_another_scope(berlin: Warehouse) -> None:
    Warehouse.objects.update(connection=make_connection("south"))
    assert checked(berlin) == 2


@pytest.mark.parametrize("changes", [{"name": "Bern"}, {"priority": 7}, {"paused": True}])
def test_what_no_quantity_depends_on_marks_nothing(berlin: Warehouse, changes: dict[str, Any]) -> None:
    Warehouse.objects.update(**changes)
    assert checked(berlin) == 0


def test_levels_of_another_warehouse_and_those_never_observed_are_not_marked(berlin: Warehouse) -> None:
    make_level(make_warehouse(berlin.shop, berlin.connection, "Lyon"), "MUG")
    make_level(berlin, "NEW", observed_at=None)
    Warehouse.objects.filter(pk=berlin.pk).update(wms_warehouse_code="BER2")
    assert checked(berlin) == 2
    due = StockLevel.objects.exclude(push_due_since=None)
    assert sorted(due.values_list("item_code", flat=True)) == ["MUG", "TEE"]


def test_the_scope_of_one_warehouse_says_nothing_of_another(berlin: Warehouse) -> None:
    lyon = make_warehouse(berlin.shop, berlin.connection, "Lyon")
    make_level(lyon, "MUG")
    assert (checked(lyon), checked(berlin)) == (1, 0)
    rest()
    StockLevel.objects.filter(warehouse=lyon).update(push_due_since=timezone.now())
    assert (checked(berlin), asked()) == (0, set())


def test_a_warehouse_that_is_switched_off_waits_until_it_is_on_again(berlin: Warehouse) -> None:
    for model in (Warehouse, type(berlin.shop)):
        model._default_manager.update(is_active=False)
        Warehouse.objects.update(wms_warehouse_code="BER2")
        assert (checked(berlin), asked()) == (0, set())
        model._default_manager.update(is_active=True)
    assert checked(berlin) == 2


def test_what_became_due_while_it_was_off_is_pushed_at_once(berlin: Warehouse) -> None:
    StockLevel.objects.filter(item_code="MUG").update(push_due_since=timezone.now())
    assert (checked(berlin), asked()) == (0, {"inventory.push"})


@pytest.mark.parametrize(("active", "expected"), [(True, {"inventory.reconcile"}), (False, set())])
def test_the_stock_of_a_new_warehouse_is_read_at_once(active: bool, expected: set[str]) -> None:
    warehouse = make_warehouse(make_shop(), make_connection(is_active=active))
    make_level(warehouse, "MUG", observed_at=None)
    assert (scope.check(warehouse), asked()) == (0, expected)
    assert Told.objects.filter(warehouse=warehouse).exists()


# What is due, and what is caught up with


def switched_off(berlin: Warehouse, model: Any) -> None:
    StockLevel.objects.update(push_due_since=timezone.now(), pushed_at=timezone.now())
    model._default_manager.update(is_active=False)


@pytest.mark.parametrize("which", ["warehouse", "shop"])
def test_nothing_is_pushed_or_compared_where_the_shop_or_the_warehouse_is_off(
    berlin: Warehouse, which: str
) -> None:
    switched_off(berlin, Warehouse if which == "warehouse" else type(berlin.shop))
    assert push_due.catch_up() == push_due.compare_all() == 0
    assert not push_due.due_levels().exists()
    assert asked() == set()


def test_only_what_was_pushed_before_is_compared(berlin: Warehouse) -> None:
    StockLevel.objects.filter(item_code="MUG").update(pushed_at=timezone.now())
    assert push_due.compare_all() == 1
    assert [level.item_code for level in push_due.due_levels()] == ["MUG"]


@pytest.mark.parametrize(
    ("active", "observed", "shops"), [(True, True, 1), (False, True, 0), (True, False, 0)]
)
def test_a_level_is_caught_up_with_if_its_mapping_is_newer_and_in_use(
    berlin: Warehouse, active: bool, observed: bool, shops: int
) -> None:
    make_mapping(berlin, 11, "MUG", is_active=active)
    if not observed:
        StockLevel.objects.update(observed_at=None)
    assert push_due.catch_up() == shops
    assert [level.item_code for level in push_due.due_levels()] == ["MUG"] * shops


def test_the_shops_with_due_levels_are_those_that_are_pushed(berlin: Warehouse) -> None:
    other = make_warehouse(make_shop("paris.myshopify.com"), berlin.connection, "Paris")
    make_level(other, "MUG", push_due_since=timezone.now())
    assert push_due.catch_up() == 1
    assert Job.objects.get().payload == {"shop": other.shop_id}
