"""What Shopify still has committed of what warehouses were given, part by part."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulfillment import commitments
from fulfillment.commitments import Given, committed_units
from fulfillment.fulfillments import recording
from fulfillment.models import (
    Fulfillment,
    FulfillmentOrder,
    Order,
    Shipment,
    ShipmentUnit,
    WmsOrder,
    WmsOrderLine,
)
from inventory.models import Commitment, StockLevel
from shops.ids import FulfillmentId, LocationId
from tests.builders import make_level, make_shipment, make_wms_order
from tests.fulfillment.order_rows import add_line, at_warehouse, ordered, place
from wms.models import Warehouse


def asks(reference: str = "p1", item: str = "MUG", **changes: Any) -> Given:
    """Two units of one line, of which Shopify has two at the location."""
    values = {"order_line": 1, "location": 101, "per_unit": 1, "units": 2, "fulfilled": 0, "remaining": 2}
    return Given(reference=reference, place=(7, item), **{**values, **changes})


@pytest.mark.parametrize(
    ("changes", "units"),
    [
        ({}, 2),
        ({"units": 1}, 1),
        ({"remaining": 1}, 1),
        ({"fulfilled": 1}, 1),
        ({"fulfilled": 3}, 0),
        ({"units": 6, "per_unit": 3}, 6),
        ({"units": 4, "per_unit": 3}, 6),
        ({"units": 4, "per_unit": 3, "fulfilled": 1}, 3),
        ({"remaining": 0}, 0),
    ],
)
def test_a_part_has_committed_what_it_was_given_and_has_not_fulfilled(changes: Any, units: int) -> None:
    assert committed_units([asks(**changes)]) == {"p1": {(7, "MUG"): units}}


def test_the_items_of_a_kit_share_its_units_and_do_not_use_them_up() -> None:
    kit = [asks(item="MUG", units=4, per_unit=2), asks(item="BOX", units=1)]
    assert committed_units(kit) == {"p1": {(7, "MUG"): 4, (7, "BOX"): 2}}


def test_two_lines_of_one_item_add_up() -> None:
    assert committed_units([asks(), asks(order_line=2, units=1)]) == {"p1": {(7, "MUG"): 3}}


def test_the_first_part_comes_first_and_the_next_has_what_is_left() -> None:
    found = committed_units([asks(remaining=3), asks("p2", remaining=3)])
    assert found == {"p1": {(7, "MUG"): 2}, "p2": {(7, "MUG"): 1}}


def test_what_shopify_has_at_another_location_is_another_matter() -> None:
    found = committed_units([asks(), asks("p2", location=102)])
    assert found == {"p1": {(7, "MUG"): 2}, "p2": {(7, "MUG"): 2}}


parts = st.lists(
    st.builds(
        asks,
        st.sampled_from(["p1", "p2", "p3"]),
        units=st.integers(0, 6),
        fulfilled=st.integers(0, 3),
        remaining=st.just(4),
    ),
    max_size=3,
    unique_by=lambda each: each.reference,
)


@given(parts)
def test_no_more_is_committed_than_shopify_has_and_nothing_unfulfilled_is_left_out(
    given: list[Given],
) -> None:
    found = {reference: places[7, "MUG"] for reference, places in committed_units(given).items()}
    not_told = {each.reference: max(0, each.units - each.fulfilled) for each in given}
    assert all(0 <= units <= not_told[reference] for reference, units in found.items())
    assert sum(found.values()) == min(4, sum(not_told.values()))


# From the rows


@pytest.fixture
def berlin(db: None) -> Warehouse:
    return place()


def sent(berlin: Warehouse, *, at: int | None = None, **changes: Any) -> Order:
    """An order that the warehouse has; Shopify has its units at the warehouse's location, or `at` another."""
    order = at_warehouse(berlin, **changes)
    location = LocationId(at or berlin.shopify_location_id)
    FulfillmentOrder.objects.filter(order=order).update(location_id=location)
    return order


def record_fulfillment(shipment: Shipment, units: int) -> None:
    """A call is recorded that made a fulfilment of so many units of the order's first line."""
    line = shipment.units.get().order_line
    attempt = Fulfillment.objects.create(
        shipment=shipment, units={str(line.shopify_line_id): units}, tracking={}
    )
    assert recording.record(attempt, FulfillmentId(77))


def committed() -> Counter[str]:
    return Counter(dict(Commitment.objects.values_list("item_code", "quantity")))


def test_what_a_warehouse_was_given_is_told_to_the_stock(berlin: Warehouse) -> None:
    order = sent(berlin)
    commitments.recompute(order)
    row = Commitment.objects.get()
    assert (row.reference, row.warehouse_id, row.item_code, row.quantity) == (
        order.wms_orders.get().external_id,
        berlin.pk,
        "MUG",
        2,
    )


def test_noting_it_again_changes_nothing_and_less_replaces_more(berlin: Warehouse) -> None:
    order = sent(berlin)
    commitments.recompute(order)
    commitments.recompute(order)
    assert committed() == {"MUG": 2}
    order.fulfillment_orders.get().lines.update(remaining_quantity=1)
    commitments.recompute(order)
    assert committed() == {"MUG": 1}


def test_an_order_that_no_warehouse_has_commits_nothing(berlin: Warehouse) -> None:
    commitments.recompute(ordered(berlin.shop))
    assert committed() == {}


@pytest.mark.parametrize(
    ("status", "units"),
    [("OPEN", 2), ("IN_PROGRESS", 2), ("SCHEDULED", 2), ("ON_HOLD", 2), ("CLOSED", 0), ("CANCELLED", 0)],
)
def test_shopify_commits_the_units_of_open_work(berlin: Warehouse, status: str, units: int) -> None:
    order = sent(berlin)
    FulfillmentOrder.objects.update(status=status)
    commitments.recompute(order)
    assert committed()["MUG"] == units


def test_what_shopify_has_at_another_location_is_not_committed_here(berlin: Warehouse) -> None:
    commitments.recompute(sent(berlin, at=999))
    assert committed() == {}


@pytest.mark.parametrize(
    ("status", "line", "units"),
    [
        ("accepted", {"shipped": 1}, 2),
        ("cancelled", {"shipped": 1}, 1),
        ("rejected", {}, 0),
        ("accepted", {"sent_again": 1}, 1),
        ("accepted", {"quantity": 4, "per_unit": 2, "sent_again": 1}, 2),
        ("cancelled", {"shipped": 1, "sent_again": 2}, 0),
    ],
)
def test_an_ended_part_commits_what_left_and_none_what_is_sent_again(
    berlin: Warehouse, status: str, line: dict[str, int], units: int
) -> None:
    order = sent(berlin)
    WmsOrder.objects.update(wms_status=status)
    WmsOrderLine.objects.update(**line)
    commitments.recompute(order)
    assert committed()["MUG"] == units


def test_what_a_fulfillment_has_is_no_longer_outstanding(berlin: Warehouse) -> None:
    order = sent(berlin)
    shipment = make_shipment(order.wms_orders.get())
    ShipmentUnit.objects.create(shipment=shipment, order_line=order.lines.get(), quantity=2, fulfilled=1)
    commitments.recompute(order)
    assert committed() == {"MUG": 1}


def test_the_items_of_a_fulfilled_shipment_are_due_and_those_of_the_earlier_shipment_too(
    berlin: Warehouse,
) -> None:
    order = sent(berlin)
    row = order.wms_orders.get()
    WmsOrderLine.objects.create(
        wms_order=row, order_line=order.lines.get(), item_code="BOX", quantity=2, per_unit=1
    )
    for item in ("BOX", "TEE", "LID"):
        make_level(berlin, item)
    shipment = make_shipment(row)
    shipment.lines.create(item_code="LID", quantity=1)
    ShipmentUnit.objects.create(shipment=shipment, order_line=order.lines.get(), quantity=2)
    StockLevel.objects.update(push_due_since=None)
    record_fulfillment(shipment, 2)
    due = StockLevel.objects.exclude(push_due_since=None).values_list("item_code", flat=True)
    assert sorted(due) == ["BOX", "LID", "MUG"]
    assert committed() == {}


def test_an_order_that_was_deleted_commits_nothing_and_the_others_stay(berlin: Warehouse) -> None:
    order, other = sent(berlin), sent(berlin)
    for each in (order, other):
        commitments.recompute(each)
    commitments.forget(order)
    assert Commitment.objects.get().reference == other.wms_orders.get().external_id


def fulfilled(row: WmsOrder, units: int, **shipment: Any) -> None:
    """Shopify has a fulfilment of so many units of the part's first line."""
    made = make_shipment(row, **shipment)
    line = row.order.lines.order_by("id").first()
    assert line is not None
    ShipmentUnit.objects.create(shipment=made, order_line=line, quantity=units, fulfilled=units)


def test_an_order_commits_nothing_of_another_and_its_fulfilments_count_for_it_alone(
    berlin: Warehouse,
) -> None:
    order, other = sent(berlin), sent(berlin)
    fulfilled(other.wms_orders.get(), 2)
    commitments.recompute(order)
    row = Commitment.objects.get()
    assert (row.reference, row.quantity) == (order.wms_orders.get().external_id, 2)


def test_a_fulfilment_of_one_part_takes_nothing_off_another(berlin: Warehouse) -> None:
    order = sent(berlin, units=3)
    first = order.wms_orders.get()
    WmsOrderLine.objects.update(quantity=1)
    second = make_wms_order(order, berlin, part=2, external_id=f"{first.external_id}-2")
    WmsOrderLine.objects.create(
        wms_order=second, order_line=order.lines.get(), item_code="MUG", quantity=2, per_unit=1
    )
    fulfilled(first, 1)
    commitments.recompute(order)
    row = Commitment.objects.get()
    assert (row.reference, row.quantity) == (second.external_id, 2)


def test_a_fulfilment_of_one_line_takes_nothing_off_another(berlin: Warehouse) -> None:
    order = sent(berlin)
    row = order.wms_orders.get()
    line = add_line(order, variant=12, units=1)
    WmsOrderLine.objects.create(wms_order=row, order_line=line, item_code="TEE", quantity=1, per_unit=1)
    fulfilled(row, 2)
    commitments.recompute(order)
    assert committed() == {"TEE": 1}


def test_a_fulfilment_makes_only_the_items_of_its_own_lines_and_part_due(berlin: Warehouse) -> None:
    order, other = sent(berlin), sent(berlin)
    row = order.wms_orders.get()
    for each, variant, item in ((order, 12, "TEE"), (other, 13, "CAP")):
        line = add_line(each, variant=variant, units=1)
        WmsOrderLine.objects.create(
            wms_order=each.wms_orders.get(), order_line=line, item_code=item, quantity=1, per_unit=1
        )
        make_level(berlin, item)
    StockLevel.objects.update(push_due_since=None)
    shipment = make_shipment(row, wms_shipment_id="S1")
    ShipmentUnit.objects.create(shipment=shipment, order_line=row.lines.earliest("id").order_line, quantity=1)
    record_fulfillment(shipment, 1)
    due = StockLevel.objects.exclude(push_due_since=None).values_list("item_code", flat=True)
    assert list(due) == ["MUG"]
    assert committed() == {"MUG": 1, "TEE": 1}
