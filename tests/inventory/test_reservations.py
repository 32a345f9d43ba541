"""Promises: all or nothing, never the last unit twice, and freed when the order is gone."""

from __future__ import annotations

import itertools
import threading
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inventory import commitments, reservations
from inventory.models import Commitment, Reservation, StockLevel
from inventory.reservations import Need, Shortage
from ops.models import Job, Lane
from tests.builders import make_connection, make_level, make_mapping, make_shop, make_warehouse
from tests.inventory.reservation_states import make_netted
from wms.models import Warehouse

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


@pytest.fixture
def berlin() -> Warehouse:
    return make_warehouse(make_shop(), make_connection())


@pytest.fixture
def twin(berlin: Warehouse) -> Warehouse:
    """The same shelves, sold from by a second shop."""
    shop = make_shop("paris.myshopify.com")
    return make_warehouse(shop, berlin.connection, wms_warehouse_code=berlin.wms_warehouse_code)


@pytest.fixture
def hamburg() -> Warehouse:
    return make_warehouse(
        make_shop("hh.myshopify.com"), make_connection("hh", stock_basis="on_hand"), "Hamburg"
    )


def reserve(warehouse: Warehouse, order: str = "order-1", /, **wanted: int) -> list[Shortage]:
    return reservations.reserve(order, [Need(warehouse.pk, item, units) for item, units in wanted.items()])


def free(warehouse: Warehouse, item: str = "MUG") -> int:
    return reservations.free([warehouse.pk], [item])[warehouse.pk, item]


def rows() -> list[tuple[Any, ...]]:
    fields = ["reference", "level__item_code", "quantity", "state"]
    return sorted(Reservation.objects.values_list(*fields))


def test_what_is_reserved_is_no_longer_free(berlin: Warehouse) -> None:
    make_level(berlin, available=10)
    assert reserve(berlin, MUG=4) == []
    assert free(berlin) == 6
    assert StockLevel.objects.get().reserved == 4


def test_an_unknown_level_is_none_free(berlin: Warehouse) -> None:
    assert free(berlin) == 0
    assert reserve(berlin, MUG=1) == [Shortage(berlin.pk, "MUG", wanted=1, free=0)]


def test_it_is_all_or_nothing(berlin: Warehouse) -> None:
    make_level(berlin, "MUG", 10)
    make_level(berlin, "CUP", 1)
    assert reserve(berlin, MUG=4, CUP=2) == [Shortage(berlin.pk, "CUP", wanted=2, free=1)]
    assert (rows(), free(berlin, "MUG"), free(berlin, "CUP")) == ([], 10, 1)
    assert not Job.objects.exists()


def test_a_new_order_takes_two_statements_and_tells_both_shops_of_the_shelf(
    berlin: Warehouse, twin: Warehouse, django_assert_num_queries: Any
) -> None:
    for place, item in itertools.product((berlin, twin), ("MUG", "CUP")):
        make_level(place, item, 10, push_compares=True, push_due_since=timezone.now() - SECOND)
    needs = [Need(berlin.pk, item, 4) for item in ("MUG", "CUP")]
    with django_assert_num_queries(4):  # one for each shop that hears of it
        assert reservations.reserve_new("order-1", needs) == []
    assert rows() == [("order-1", item, 4, "held") for item in ("CUP", "MUG")]
    assert (free(berlin), free(twin)) == (6, 6)
    levels = StockLevel.objects.order_by("warehouse_id", "item_code")
    assert [level.reserved for level in levels] == [4, 4, 0, 0]
    assert [level.promised_at is not None for level in levels] == [True, True, False, False]
    assert not any(level.push_compares for level in levels)
    assert Job.objects.filter(kind="inventory.push").count() == 2


@pytest.mark.parametrize(
    ("products", "committed", "marked"),
    [
        ([{"MUG": 2}], 4, False),
        ([{"MUG": 2}], 2, True),  # Shopify has the rest at another location
        ([{"MUG": 2}, {"MUG": 1}], 4, True),  # it does not know that the other product has the item too
        ([{"MUG": 2, "BOX": 1}], 4, True),
        ([], 4, True),
    ],
)
def test_shopify_hears_nothing_of_units_that_it_took_off_by_itself(
    berlin: Warehouse, products: list[dict[str, int]], committed: int, marked: bool
) -> None:
    for variant, parts in enumerate(products, 11):
        for item, units in parts.items():
            make_mapping(berlin, variant, item, quantity=units)
    make_level(berlin, "MUG", 10)
    noted = {(berlin.pk, "MUG"): committed}
    assert reservations.reserve_new("order-1", [Need(berlin.pk, "MUG", 4)], committed=noted) == []
    assert StockLevel.objects.filter(push_due_since__isnull=False).exists() == marked
    assert Job.objects.filter(kind="inventory.push").exists() == marked
    assert Commitment.objects.get().quantity == committed


def test_a_new_order_that_is_short_reserves_nothing(berlin: Warehouse) -> None:
    make_level(berlin, "MUG", 10)
    make_level(berlin, "CUP", 1)
    needs = [Need(berlin.pk, "MUG", 4), Need(berlin.pk, "CUP", 2)]
    assert reservations.reserve_new("order-1", needs) == [Shortage(berlin.pk, "CUP", wanted=2, free=1)]
    assert (rows(), free(berlin, "MUG"), Job.objects.count()) == ([], 10, 0)


def test_an_order_that_has_reservations_is_no_new_one(berlin: Warehouse) -> None:
    make_level(berlin, available=10)
    reserve(berlin, MUG=4)
    with pytest.raises(IntegrityError), transaction.atomic():
        reservations.reserve_new("order-1", [Need(berlin.pk, "MUG", 4)])


def test_needs_of_one_item_add_up(berlin: Warehouse) -> None:
    make_level(berlin, available=5)
    twice = [Need(berlin.pk, "MUG", 3), Need(berlin.pk, "MUG", 3)]
    assert reservations.reserve("order-1", twice) == [Shortage(berlin.pk, "MUG", wanted=6, free=5)]


def test_reserving_again_changes_nothing(berlin: Warehouse) -> None:
    make_level(berlin, available=5)
    assert [reserve(berlin, MUG=5), reserve(berlin, MUG=5)] == [[], []]
    assert rows() == [("order-1", "MUG", 5, "held")]


def test_reserving_other_needs_replaces_the_old_ones(berlin: Warehouse) -> None:
    make_level(berlin, "MUG", 5)
    make_level(berlin, "CUP", 5)
    reserve(berlin, MUG=5)
    assert reserve(berlin, MUG=2, CUP=1) == []
    assert rows() == [("order-1", "CUP", 1, "held"), ("order-1", "MUG", 2, "held")]
    assert (free(berlin, "MUG"), free(berlin, "CUP")) == (3, 4)


def test_more_for_an_order_that_is_counted_holds_it_anew_until_it_is_confirmed(berlin: Warehouse) -> None:
    make_netted(make_level(berlin, available=5), 2)
    assert reserve(berlin, MUG=3) == []
    row = Reservation.objects.get()
    assert (row.quantity, row.state, row.accepted_at) == (3, "held", None)


def test_another_warehouse_instead_frees_the_first(berlin: Warehouse) -> None:
    munich = make_warehouse(berlin.shop, berlin.connection, "Munich")
    make_level(berlin, available=5)
    make_level(munich, available=5)
    reserve(berlin, MUG=5)
    assert reserve(munich, MUG=5) == []
    assert (free(berlin), free(munich)) == (5, 0)


def test_a_need_below_one_is_a_bug(berlin: Warehouse) -> None:
    with pytest.raises(ValueError, match="a need of 0"):
        reserve(berlin, MUG=0)


def test_what_one_shop_reserved_is_gone_for_the_other_that_sells_from_the_same_shelf(
    berlin: Warehouse, twin: Warehouse
) -> None:
    make_level(berlin, available=5)
    make_level(twin, available=5)
    assert reserve(berlin, MUG=4) == []
    assert free(twin) == 1
    assert reserve(twin, "order-2", MUG=2) == [Shortage(twin.pk, "MUG", wanted=2, free=1)]
    assert Job.objects.filter(kind="inventory.push").count() == 2


def test_a_release_frees_and_wakes(berlin: Warehouse) -> None:
    make_level(berlin, available=5)
    reserve(berlin, MUG=5)
    waiting = Job.objects.create(
        kind="test.wait",
        lane=Lane.objects.create(name="internal"),
        key="w",
        parked_on=[f"stock:{berlin.pk}:MUG"],
        parked_since=timezone.now(),
    )
    assert reservations.release("order-1") == 1
    waiting.refresh_from_db()
    assert (free(berlin), rows(), waiting.parked_on) == (5, [], [])


def test_a_second_release_changes_nothing(berlin: Warehouse) -> None:
    make_level(berlin, available=5)
    reserve(berlin, MUG=5)
    reservations.release("order-1")
    StockLevel.objects.update(push_due_since=None)
    assert reservations.release("order-1") == 0
    assert StockLevel.objects.get().push_due_since is None


def test_counted_units_come_back_with_the_next_quantity_not_with_the_release(berlin: Warehouse) -> None:
    make_netted(make_level(berlin, available=5), 2)
    reservations.release("order-1")
    assert (free(berlin), rows()) == (5, [])


def test_confirming_marks_the_open_rows_once(berlin: Warehouse) -> None:
    make_level(berlin, available=5)
    reserve(berlin, MUG=5)
    assert reservations.confirm("order-1") == 1
    accepted_at = Reservation.objects.get().accepted_at
    assert reservations.confirm("order-1") == 0
    assert Reservation.objects.get().accepted_at == accepted_at


def test_a_counted_shipment_is_simply_gone(berlin: Warehouse) -> None:
    make_netted(make_level(berlin, available=5), 3)
    reservations.ship("order-1", {"MUG": 2})
    assert (rows(), free(berlin)) == ([("order-1", "MUG", 1, "counted")], 5)


@pytest.mark.parametrize("place", ["berlin", "hamburg"])
def test_units_that_left_stay_held_while_the_quantity_contains_them(
    place: str, request: pytest.FixtureRequest
) -> None:
    warehouse = request.getfixturevalue(place)
    make_level(warehouse, available=5, observed_at=timezone.now() - 60 * SECOND)
    reserve(warehouse, MUG=3)
    reservations.confirm("order-1")
    reservations.ship("order-1", {"MUG": 2}, shipped_at=timezone.now())
    assert rows() == [("order-1", "MUG", 1, "held"), ("order-1", "MUG", 2, "held")]
    assert free(warehouse) == 2


def test_on_hand_a_shipment_that_the_quantity_knows_already_frees_nothing_twice(hamburg: Warehouse) -> None:
    make_level(hamburg, available=5, observed_at=timezone.now())
    reserve(hamburg, MUG=3)
    reservations.confirm("order-1")
    reservations.ship("order-1", {"MUG": 3}, shipped_at=timezone.now() - 60 * SECOND)
    assert (rows(), free(hamburg)) == ([], 5)


@pytest.mark.parametrize(
    ("place", "seen_ago", "is_pushed"), [("berlin", 60, False), ("hamburg", 60, False), ("hamburg", 0, True)]
)
def test_a_shipment_is_pushed_only_if_it_frees_units(
    place: str, seen_ago: int, is_pushed: bool, request: pytest.FixtureRequest
) -> None:
    """`seen_ago`: the quantity is so many seconds old, and the units left 30 seconds ago."""
    warehouse = request.getfixturevalue(place)
    seen = timezone.now() - seen_ago * SECOND
    make_level(warehouse, available=5, observed_at=seen)
    reserve(warehouse, MUG=3)
    StockLevel.objects.update(push_due_since=None)
    reservations.ship("order-1", {"MUG": 3}, shipped_at=timezone.now() - 30 * SECOND)
    level = StockLevel.objects.get()
    assert (level.push_due_since is not None, level.reserved) == (is_pushed, 0 if is_pushed else 3)


def test_shipping_more_than_reserved_or_unknown_items_changes_only_what_is_known(berlin: Warehouse) -> None:
    make_netted(make_level(berlin, available=5), 3)
    reservations.ship("order-1", {"MUG": 9, "CUP": 1})
    reservations.ship("order-9", {"MUG": 1})
    assert (rows(), free(berlin)) == ([], 5)


def test_the_database_refuses_a_second_open_row_of_an_order_at_a_level(berlin: Warehouse) -> None:
    known = make_level(berlin, available=5)
    Reservation.objects.create(level=known, reference="order-1", quantity=1)
    with (
        pytest.raises(IntegrityError, match="reservation_is_open_once_per_level_and_order"),
        transaction.atomic(),
    ):
        Reservation.objects.create(level=known, reference="order-1", quantity=1)


def test_what_is_short_is_told_with_what_the_order_has_already(berlin: Warehouse) -> None:
    make_level(berlin, available=5)
    reserve(berlin, MUG=3)
    reserve(berlin, "order-2", MUG=1)
    assert reserve(berlin, MUG=5) == [Shortage(berlin.pk, "MUG", wanted=5, free=4)]
    assert rows() == [("order-1", "MUG", 3, "held"), ("order-2", "MUG", 1, "held")]


def test_units_that_the_quantity_is_net_of_are_not_free_for_the_order_once_more(berlin: Warehouse) -> None:
    make_netted(make_level(berlin, available=1), 2)
    assert reserve(berlin, MUG=4) == [Shortage(berlin.pk, "MUG", wanted=4, free=1)]


def test_less_for_an_order_that_is_counted_leaves_it_counted(berlin: Warehouse) -> None:
    make_netted(make_level(berlin, available=5), 3)
    assert reserve(berlin, MUG=2) == []
    assert rows() == [("order-1", "MUG", 2, "counted")]
    assert Reservation.objects.get().accepted_at is not None


def test_a_release_forgets_what_shopify_committed_of_these_orders_only(berlin: Warehouse) -> None:
    make_level(berlin, available=5)
    for order in ("order-1", "order-2"):
        reserve(berlin, order, MUG=1)
        commitments.note({order: {(berlin.pk, "MUG"): 1}})
    reservations.release("order-1")
    assert list(Commitment.objects.values_list("reference", flat=True)) == ["order-2"]


def test_an_item_that_the_wms_never_named_is_told_apart_from_one_that_ran_out(
    berlin: Warehouse, twin: Warehouse
) -> None:
    make_level(berlin, "MUG", 0)
    rome = make_warehouse(berlin.shop, berlin.connection, "Rome")
    make_level(rome, "TEE")
    asked = [(berlin.pk, "MUG"), (berlin.pk, "TEE"), (rome.pk, "MUG"), (rome.pk, "TEE"), (twin.pk, "MUG")]
    assert reservations.never_reported(asked) == {(berlin.pk, "TEE"), (rome.pk, "MUG")}


def test_nothing_is_asked_about_no_items(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert reservations.never_reported([]) == frozenset()


@pytest.mark.parametrize("count", [1, 40])
def test_the_number_of_queries_does_not_grow_with_the_needs(berlin: Warehouse, count: int) -> None:
    items = [f"I{number}" for number in range(count)]
    for item in items:
        make_level(berlin, item, 5)
    with CaptureQueriesContext(connection) as queries:
        assert reserve(berlin, **dict.fromkeys(items, 2)) == []
    assert len(queries) == 8, [query["sql"][:60] for query in queries]
    with CaptureQueriesContext(connection) as queries:
        reservations.free([berlin.pk], items)
    assert len(queries) == 1
    with CaptureQueriesContext(connection) as queries:
        reservations.ship("order-1", dict.fromkeys(items, 1))
    assert len(queries) == 2, [query["sql"][:60] for query in queries]
    with CaptureQueriesContext(connection) as queries:
        reservations.ship("order-1", dict.fromkeys(items, 1))
    assert len(queries) == 2, [query["sql"][:60] for query in queries]


def together(*actions: Any) -> list[Any]:
    """Run the actions at once, each in a thread with a connection and a transaction of its own."""
    results: list[Any] = [None] * len(actions)
    ready = threading.Barrier(len(actions))

    def run(index: int) -> None:
        try:
            with transaction.atomic():
                ready.wait()
                results[index] = actions[index]()
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[index]) for index in range(len(actions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.django_db(transaction=True)
def test_two_orders_cannot_both_take_the_last_unit() -> None:
    berlin = make_warehouse(make_shop(), make_connection())
    make_level(berlin, available=1)
    results = together(*[lambda n=n: reserve(berlin, f"order-{n}", MUG=1) for n in range(6)])
    assert sorted(map(len, results)) == [0, 1, 1, 1, 1, 1]
    assert (len(rows()), StockLevel.objects.get().reserved) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_orders_of_two_shops_cannot_both_take_the_last_unit_of_a_shared_shelf() -> None:
    berlin = make_warehouse(make_shop(), make_connection())
    twin = make_warehouse(
        make_shop("paris.myshopify.com"), berlin.connection, wms_warehouse_code=berlin.wms_warehouse_code
    )
    make_level(berlin, available=1)
    make_level(twin, available=1)
    pairs = [(berlin, "order-1"), (twin, "order-2"), (berlin, "order-3"), (twin, "order-4")]
    results = together(*[lambda w=w, r=r: reserve(w, r, MUG=1) for w, r in pairs])
    assert sorted(map(len, results)) == [0, 1, 1, 1]


@pytest.mark.django_db(transaction=True)
def test_orders_with_the_same_items_in_another_order_do_not_deadlock() -> None:
    berlin = make_warehouse(make_shop(), make_connection())
    for item in "ABCDEF":
        make_level(berlin, item, 100)
    wanted = [dict.fromkeys(order, 1) for order in ("ABCDEF", "FEDCBA", "CADBFE", "EFABDC")]
    assert (
        together(*[lambda n=n, w=w: reserve(berlin, f"order-{n}", **w) for n, w in enumerate(wanted)])
        == [[]] * 4
    )
    assert set(StockLevel.objects.values_list("reserved", flat=True)) == {4}


@pytest.mark.django_db(transaction=True)
def test_an_order_that_falls_short_holds_up_no_other_until_its_transaction_ends() -> None:
    warehouse = make_warehouse(make_shop(), make_connection())
    level = make_level(warehouse, available=1)

    def is_free() -> bool:
        with psycopg.connect(**connection.get_connection_params()) as other:
            query = "SELECT 1 FROM inventory_cache WHERE id = %s FOR UPDATE SKIP LOCKED"
            return other.execute(query, [level.pk]).fetchone() is not None

    with transaction.atomic():
        assert reserve(warehouse, MUG=2)
        assert is_free()
        assert reserve(warehouse, MUG=1) == []
        assert not is_free()
