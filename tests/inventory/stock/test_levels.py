"""What a WMS says reaches the level, once, and never an older quantity."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import close_old_connections, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inventory import reservations
from inventory.models import Reservation, StockLevel
from inventory.reservations import Need
from inventory.stock import levels
from inventory.stock.levels import Observation
from ops.models import Alert, Job, Lane
from skumap.models import SkuMapping
from tests.builders import make_connection, make_level, make_mapping, make_shop, make_warehouse
from tests.inventory.reservation_states import make_netted
from wms.models import Warehouse

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


@pytest.fixture
def berlin() -> Warehouse:
    return make_warehouse(make_shop(), make_connection())


@pytest.fixture
def hamburg() -> Warehouse:
    return make_warehouse(
        make_shop("hh.myshopify.com"), make_connection("hh", stock_basis="on_hand"), "Hamburg"
    )


def seen(
    item: str = "MUG", available: int | None = 5, at: datetime | None = None, **more: Any
) -> Observation:
    return Observation(item, available, more.pop("on_hand", available), at or timezone.now(), **more)


def level(warehouse: Warehouse, item: str = "MUG") -> StockLevel:
    return StockLevel.objects.get(warehouse=warehouse, item_code=item)


def in_future(seconds: int = 60) -> datetime:
    return timezone.now() + seconds * SECOND


def test_a_first_observation_makes_the_level_and_asks_for_a_push(berlin: Warehouse) -> None:
    assert levels.apply(berlin, [seen(available=0)], source="test").changed == 1
    made = level(berlin)
    assert (made.available, made.reserved) == (0, 0)
    assert made.push_due_since is not None
    job = Job.objects.get(kind="inventory.push")
    assert (job.key, job.lane_id) == (f"inventory.push:{berlin.shop_id}", berlin.shop.lane)


def test_an_older_observation_changes_nothing(berlin: Warehouse) -> None:
    make_level(berlin, available=9)
    applied = levels.apply(berlin, [seen(available=3, at=timezone.now() - 60 * SECOND)], source="test")
    assert (applied.changed, applied.stale, level(berlin).available) == (0, 1, 9)
    assert not Job.objects.exists()


def test_an_equal_observation_changes_nothing(berlin: Warehouse) -> None:
    known = make_level(berlin, available=9)
    applied = levels.apply(berlin, [seen(available=9, at=known.observed_at)], source="test")
    assert (applied.changed, applied.unchanged) == (0, 1)
    assert level(berlin).push_due_since is None


def test_a_later_event_with_the_same_quantity_moves_only_the_time(berlin: Warehouse) -> None:
    make_level(berlin, available=9)
    applied = levels.apply(berlin, [seen(available=9, at=in_future())], source="test")
    assert (applied.changed, applied.unchanged, level(berlin).push_due_since) == (0, 1, None)
    assert StockLevel.objects.filter(observed_at__gt=timezone.now()).exists()


def test_after_a_read_without_sequence_a_late_event_is_judged_by_time(berlin: Warehouse) -> None:
    now = timezone.now()
    levels.apply(berlin, [seen(available=5, at=now - 9 * SECOND, sequence=10)], source="event")
    levels.apply(berlin, [seen(available=2, at=now)], source="reconcile")
    late = levels.apply(berlin, [seen(available=4, at=now - 5 * SECOND, sequence=11)], source="event")
    assert (late.stale, level(berlin).available) == (1, 2)


def test_events_in_any_order_give_the_last_quantity(berlin: Warehouse) -> None:
    start = timezone.now() - 60 * SECOND
    for number in [3, 1, 5, 2, 4, 5]:
        levels.apply(
            berlin, [seen(available=number, at=start + number * SECOND, sequence=number)], source="event"
        )
    assert level(berlin).available == 5


def test_what_the_wms_does_not_say_stays(berlin: Warehouse) -> None:
    make_level(berlin, available=9, on_hand=12)
    levels.apply(berlin, [seen(available=8, at=in_future(), on_hand=None)], source="test")
    assert (level(berlin).available, level(berlin).on_hand) == (8, 12)


def test_a_report_without_the_quantity_that_counts_is_alerted_and_changes_nothing(berlin: Warehouse) -> None:
    make_level(berlin, available=9)
    applied = levels.apply(berlin, [seen(available=None, on_hand=3, at=in_future())], source="test")
    assert (applied.unusable, level(berlin).on_hand) == (1, 9)
    assert Alert.objects.get().kind == "stock_figure_missing"


def test_an_accepted_order_is_counted_by_the_next_quantity(berlin: Warehouse) -> None:
    make_level(berlin, available=10)
    reservations.reserve("order-1", [Need(berlin.pk, "MUG", 4)])
    reservations.confirm("order-1")
    applied = levels.apply(berlin, [seen(available=6, at=in_future())], source="reconcile")
    assert Reservation.objects.get().state == "counted"
    assert (level(berlin).reserved, applied.unexplained) == (0, ())
    assert reservations.free([berlin.pk], ["MUG"]) == {(berlin.pk, "MUG"): 6}


def test_an_order_that_is_not_accepted_stays_held_whatever_comes(berlin: Warehouse) -> None:
    make_level(berlin, available=10)
    reservations.reserve("order-1", [Need(berlin.pk, "MUG", 4)])
    levels.apply(berlin, [seen(available=9, at=in_future())], source="event")
    assert (Reservation.objects.get().state, level(berlin).reserved) == ("held", 4)


def test_a_quantity_from_before_the_acceptance_does_not_count_the_order(berlin: Warehouse) -> None:
    make_level(berlin, available=10, observed_at=timezone.now() - 60 * SECOND)
    reservations.reserve("order-1", [Need(berlin.pk, "MUG", 4)])
    reservations.confirm("order-1")
    levels.apply(berlin, [seen(available=9, at=timezone.now() - 30 * SECOND)], source="event")
    assert (level(berlin).available, level(berlin).reserved) == (9, 4)


def test_a_read_begun_after_the_acceptance_counts_the_order_although_its_quantity_is_old(
    berlin: Warehouse,
) -> None:
    known = make_level(berlin, available=6, observed_at=timezone.now() - 60 * SECOND)
    reservations.reserve("order-1", [Need(berlin.pk, "MUG", 4)])
    reservations.confirm("order-1")
    repeated = seen(available=6, at=known.observed_at, known_at=in_future())
    assert levels.apply(berlin, [repeated], source="reconcile").unchanged == 1
    assert (Reservation.objects.get().state, level(berlin).reserved) == ("counted", 0)


def test_on_hand_an_accepted_order_stays_held_until_a_quantity_knows_of_its_shipment(
    hamburg: Warehouse,
) -> None:
    make_level(hamburg, available=10, observed_at=timezone.now() - 60 * SECOND)
    reservations.reserve("order-1", [Need(hamburg.pk, "MUG", 4)])
    reservations.confirm("order-1")
    reservations.ship("order-1", {"MUG": 4})
    levels.apply(hamburg, [seen(available=10, at=timezone.now() - 30 * SECOND)], source="event")
    assert level(hamburg).reserved == 4
    levels.apply(hamburg, [seen(available=6, at=in_future())], source="event")
    assert (level(hamburg).reserved, Reservation.objects.count()) == (0, 0)
    assert reservations.free([hamburg.pk], ["MUG"]) == {(hamburg.pk, "MUG"): 6}


def test_after_a_change_of_basis_the_next_quantity_puts_reservations_right(berlin: Warehouse) -> None:
    make_netted(make_level(berlin, available=6, on_hand=10), 4)
    berlin.connection.stock_basis = "on_hand"
    berlin.connection.save()
    levels.apply(berlin, [seen(available=6, on_hand=10, at=in_future())], source="event")
    assert reservations.free([berlin.pk], ["MUG"]) == {(berlin.pk, "MUG"): 6}


def test_a_move_that_our_orders_do_not_explain_is_told(berlin: Warehouse) -> None:
    make_level(berlin, available=10)
    applied = levels.apply(berlin, [seen(available=7, at=in_future()), seen("NEW", 3)], source="reconcile")
    assert applied.unexplained == ("MUG",)


def test_more_stock_wakes_what_waits_for_it(berlin: Warehouse) -> None:
    make_level(berlin, available=0)
    waiting = park(f"stock:{berlin.pk}:MUG")
    other = park(f"stock:{berlin.pk}:CUP")
    levels.apply(berlin, [seen(available=1, at=in_future())], source="event")
    assert Job.objects.get(pk=waiting).parked_on == []
    assert Job.objects.get(pk=other).parked_on != []


def test_less_stock_wakes_nobody(berlin: Warehouse) -> None:
    make_level(berlin, available=5)
    waiting = park(f"stock:{berlin.pk}:MUG")
    levels.apply(berlin, [seen(available=1, at=in_future())], source="event")
    assert Job.objects.get(pk=waiting).parked_on != []


def park(key: str) -> int:
    lane, _ = Lane.objects.get_or_create(name="internal")
    now = timezone.now()
    return Job.objects.create(kind="test.wait", lane=lane, key=key, parked_on=[key], parked_since=now).pk


def make_twin(warehouse: Warehouse) -> Warehouse:
    """The same shelves, sold from by a second shop."""
    shop = make_shop("paris.myshopify.com")
    return make_warehouse(shop, warehouse.connection, wms_warehouse_code=warehouse.wms_warehouse_code)


def test_one_shelf_that_serves_two_shops_is_told_to_both(berlin: Warehouse) -> None:
    twin = make_twin(berlin)
    assert levels.apply(berlin, [seen(available=5)], source="event").changed == 2
    assert (level(berlin).available, level(twin).available) == (5, 5)
    assert Job.objects.filter(kind="inventory.push").count() == 2


def test_the_other_shops_order_is_no_drift(berlin: Warehouse) -> None:
    twin = make_twin(berlin)
    levels.apply(berlin, [seen(available=5, at=timezone.now() - SECOND)], source="event")
    reservations.reserve("order-1", [Need(twin.pk, "MUG", 2)])
    reservations.confirm("order-1")
    assert levels.apply(berlin, [seen(available=3, at=in_future())], source="reconcile").unexplained == ()
    assert reservations.free([berlin.pk], ["MUG"]) == {(berlin.pk, "MUG"): 3}


@pytest.mark.parametrize(("available", "marked"), [(6, False), (5, True), (7, True)])
def test_shopify_hears_nothing_of_a_quantity_that_only_our_orders_moved(
    berlin: Warehouse, available: int, marked: bool
) -> None:
    """What the order has is subtracted as before: first as its reservation, then by the quantity."""
    twin = make_twin(berlin)
    levels.apply(berlin, [seen(available=10, at=timezone.now() - SECOND)], source="event")
    reservations.reserve("order-1", [Need(twin.pk, "MUG", 4)])
    reservations.confirm("order-1")
    StockLevel.objects.update(push_due_since=None)
    levels.apply(berlin, [seen(available=available, at=in_future())], source="event")
    assert [row.push_due_since is not None for row in StockLevel.objects.all()] == [marked, marked]
    assert [row.reserved for row in StockLevel.objects.all()] == [0, 0]


def fulfilled(warehouse: Warehouse, *, since: datetime) -> bool:
    """Whether a fulfilment that was called `since` marks the item."""
    levels.mark_fulfilled(warehouse.pk, ["MUG"], since=since)
    return StockLevel.objects.filter(push_marked_at__gt=since, push_due_since__isnull=False).exists()


def test_a_fulfillment_is_told_only_if_a_push_may_have_looked_between_it_and_its_record(
    berlin: Warehouse,
) -> None:
    since = timezone.now()
    level = make_level(berlin, "MUG", pushed_at=since - SECOND)
    make_mapping(berlin, 11, "MUG")
    assert not fulfilled(berlin, since=since)
    StockLevel.objects.update(push_due_since=since - SECOND)  # it may be under way
    assert fulfilled(berlin, since=since)
    StockLevel.objects.update(push_due_since=None, push_marked_at=level.push_marked_at, pushed_at=since)
    assert fulfilled(berlin, since=since)
    assert Job.objects.get().kind == "inventory.push"


def test_a_fulfillment_of_an_item_of_several_products_is_always_told(berlin: Warehouse) -> None:
    make_level(berlin, "MUG")
    for variant in (11, 12):
        make_mapping(berlin, variant, "MUG")
    assert fulfilled(berlin, since=timezone.now())


def test_marking_due_keeps_since_when_and_renews_the_mark(berlin: Warehouse) -> None:
    levels.apply(berlin, [seen(available=5)], source="event")
    first = level(berlin)
    levels.mark_due(berlin.pk, ["MUG", "NOT THERE"])
    assert level(berlin).push_due_since == first.push_due_since
    assert StockLevel.objects.filter(push_marked_at__gt=first.push_marked_at).exists()


@pytest.mark.parametrize("count", [2, 200])
def test_the_number_of_queries_does_not_grow_with_the_observations(berlin: Warehouse, count: int) -> None:
    make_level(berlin, "I1")
    observations = [seen(f"I{number}", number + 1, at=in_future()) for number in range(count)]
    with CaptureQueriesContext(connection) as queries:
        levels.apply(berlin, observations, source="event")
    assert len(queries) == 7, [query["sql"][:60] for query in queries]


@pytest.mark.django_db(transaction=True)
def test_two_workers_that_learn_of_the_same_new_items_do_not_deadlock() -> None:
    warehouse = make_warehouse(make_shop(), make_connection())
    start = timezone.now()
    failures: list[BaseException] = []

    def work(number: int) -> None:
        items = [f"I{i}" for i in range(50)]
        try:
            for turn in range(4):
                at = start + (turn * 10 + number) * SECOND
                ordered = items if number % 2 else items[::-1]
                levels.apply(warehouse, [seen(i, turn * 10 + number, at=at) for i in ordered], source="event")
        except BaseException as error:
            failures.append(error)
            raise
        finally:
            close_old_connections()
            connection.close()

    threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert set(StockLevel.objects.values_list("available", flat=True)) == {33}


# What Shopify books by itself, or a mapping changed


@pytest.fixture
def sold(berlin: Warehouse) -> Warehouse:
    """Berlin sells variant 11 as a set of mug and box, and 12 as a tee; nothing is due."""
    for variant, item in ((11, "MUG"), (11, "BOX"), (12, "TEE")):
        make_mapping(berlin, variant, item)
        make_level(berlin, item)
    return berlin


def due() -> list[str]:
    rows = StockLevel.objects.exclude(push_due_since=None)
    return sorted(
        f"{warehouse} {item}" for warehouse, item in rows.values_list("warehouse__name", "item_code")
    )


@pytest.mark.parametrize(
    ("variants", "elsewhere", "expected"),
    [
        ([11], None, ["Berlin BOX", "Berlin MUG"]),
        ([12, 99], None, ["Berlin TEE"]),
        ([11, 12], False, ["Berlin BOX", "Berlin MUG", "Berlin TEE"]),
        ([11], True, []),
        ([], None, []),
    ],
)
def test_the_items_of_a_product_are_due_at_the_locations_named(
    sold: Warehouse, variants: list[int], elsewhere: bool | None, expected: list[str]
) -> None:
    locations = None if elsewhere is None else [sold.shopify_location_id + elsewhere]
    levels.mark_products_due(sold.shop_id, variants=variants, locations=locations)
    assert due() == expected
    assert Job.objects.filter(kind="inventory.push").count() == bool(expected)


def test_a_product_is_due_nowhere_but_in_its_own_shop(sold: Warehouse) -> None:
    other = make_warehouse(make_shop("paris.myshopify.com"), sold.connection, "Paris")
    make_mapping(other, 11, "MUG")
    make_level(other, "MUG")
    levels.mark_products_due(other.shop_id, variants=[11])
    assert due() == ["Paris MUG"]


def test_a_mapping_that_is_switched_off_makes_nothing_due(sold: Warehouse) -> None:
    SkuMapping.objects.filter(wms_item_code="BOX").update(is_active=False)
    levels.mark_products_due(sold.shop_id, variants=[11])
    assert due() == ["Berlin MUG"]
