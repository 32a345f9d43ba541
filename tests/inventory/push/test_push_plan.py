"""What Shopify should be told, worked out without a database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.push.push_plan import Change, Decision, Product, Reading, Stock, decide
from shops.ids import InventoryItemId

MUG = Product(InventoryItemId(301), (("MUG", 1),), mapping_id=1, label="MUG")
SIX = Product(InventoryItemId(306), (("MUG", 6),), mapping_id=2, label="SIX MUGS")
SET = Product(InventoryItemId(307), (("MUG", 2), ("POT", 1)), mapping_id=3, label="TEA SET")


def stock(item: str = "MUG", quantity: int = 10, **more: Any) -> Stock:
    values = {
        "netted": 0,
        "pending": 0,
        "in_transit_out": 0,
        "reserved_by_others": 0,
        "commitments": 0,
        "marked_at": None,
        **more,
    }
    return Stock({"MUG": 1, "POT": 2}[item], item, quantity, **values)


def reading(available: int = 0, committed: int = 0, on_hand: int = 0, **more: Any) -> Reading:
    values = {"tracked": True, "active": True, **more}
    return Reading(available=available, committed=committed, on_hand=on_hand, **values)


def decided(
    *stocks: Stock,
    basis: str = "available",
    products: tuple[Product, ...] = (MUG,),
    i301: Reading | None = None,
    i306: Reading | None = None,
    i307: Reading | None = None,
) -> Decision:
    readings = {InventoryItemId(item): each for item, each in ((301, i301), (306, i306), (307, i307)) if each}
    return decide(basis, targets=products, sharing=products, stocks=stocks, readings=readings)


@pytest.mark.parametrize(
    ("level", "at_shopify", "quantity"),
    [
        (stock(quantity=10), reading(0), 10),
        (stock(quantity=10), reading(0, committed=3), 7),
        (stock(quantity=7, netted=3, commitments=3), reading(0, committed=3), 7),
        (stock(quantity=7, netted=3, commitments=3), reading(0, committed=5), 5),
        (stock(quantity=7, netted=5, commitments=3), reading(0, committed=3), 7),
        (stock(quantity=10, pending=2, commitments=2), reading(0, committed=5), 5),
        (stock(quantity=10, pending=2), reading(0, committed=0), 8),
        (
            stock(quantity=10, pending=2),
            reading(0, committed=3),
            5,
        ),  # another order: the pending one stands elsewhere
        (
            stock(quantity=7, netted=3),
            reading(0, committed=3),
            4,
        ),  # another: the netted one was fulfilled by hand
        (
            stock(quantity=7, commitments=3),
            reading(0, committed=3),
            7,
        ),  # shipped, and Shopify is not told yet
        (stock(quantity=10, pending=2, commitments=9), reading(0, committed=3), 8),
        (stock(quantity=10, in_transit_out=2), reading(0), 8),
        (stock(quantity=10, reserved_by_others=4), reading(0, committed=1), 5),
        (stock(quantity=2), reading(1, committed=5), 0),
        (stock(quantity=2_000_000_000), reading(0), 1_000_000_000),
    ],
)
def test_available_is_the_quantity_less_the_orders_it_does_not_know_of(
    level: Stock, at_shopify: Reading, quantity: int
) -> None:
    assert [change.quantity for change in decided(level, i301=at_shopify).changes] == [quantity]


@pytest.mark.parametrize(
    ("level", "at_shopify", "quantity"),
    [
        (stock(quantity=10), reading(on_hand=0), 10),
        (stock(quantity=10, pending=3, commitments=3), reading(on_hand=0, committed=3), 10),
        (stock(quantity=10, pending=3), reading(on_hand=0, committed=3), 7),  # another order
        (stock(quantity=10, netted=3, commitments=3), reading(on_hand=0, committed=3), 10),
        (stock(quantity=10), reading(on_hand=0, committed=12), 10),
        (stock(quantity=10, reserved_by_others=4), reading(on_hand=0, committed=3), 6),
        (stock(quantity=10, in_transit_out=2), reading(on_hand=0), 8),
    ],
)
def test_on_hand_is_the_quantity_less_what_is_others_or_gone(
    level: Stock, at_shopify: Reading, quantity: int
) -> None:
    assert [change.quantity for change in decided(level, basis="on_hand", i301=at_shopify).changes] == [
        quantity
    ]


def test_the_change_is_from_the_very_quantity_that_was_read() -> None:
    assert decided(stock(), i301=reading(4)).changes == (Change(MUG, 10, 4),)
    assert decided(stock(), basis="on_hand", i301=reading(4, on_hand=6)).changes == (Change(MUG, 10, 6),)


def test_equal_is_not_sent() -> None:
    decision = decided(stock(), i301=reading(10))
    assert (decision.changes, decision.offered) == ((), {1: 10})


def test_an_item_that_is_not_tracked_is_left_alone() -> None:
    assert decided(stock(), i301=reading(0, tracked=False)) == Decision(offered={1: 10})


def test_an_item_that_is_not_stocked_there_is_to_be_activated() -> None:
    assert decided(stock(), i301=reading(active=False)).activations == (Change(MUG, 10, None),)


def test_an_item_that_shopify_does_not_have_is_told() -> None:
    assert decided(stock()).unknown == (MUG,)


def test_a_pack_is_as_many_as_can_be_made() -> None:
    assert decided(stock(quantity=20), products=(SIX,), i306=reading()).changes == (Change(SIX, 3, 0),)


def test_a_kit_is_as_many_as_its_scarcest_component_allows() -> None:
    decision = decided(stock("MUG", 10), stock("POT", 3), products=(SET,), i307=reading())
    assert decision.changes == (Change(SET, 3, 0),)
    assert decided(stock("MUG", 10), products=(SET,), i307=reading()).changes == ()  # never observed = 0


def test_what_one_variant_sold_is_gone_for_all_that_share_the_item() -> None:
    decision = decided(
        stock(quantity=20), products=(MUG, SIX), i301=reading(committed=3), i306=reading(committed=1)
    )
    assert {change.product: change.quantity for change in decision.changes} == {MUG: 11, SIX: 1}
    assert decision.offered == {1: 11}


def test_on_hand_a_pack_shows_what_can_be_sold_and_what_is_committed() -> None:
    mugs, sixes = reading(committed=5, on_hand=0), reading(committed=1, on_hand=0)
    decision = decided(stock(quantity=20), basis="on_hand", products=(MUG, SIX), i301=mugs, i306=sixes)
    assert {change.product: change.quantity for change in decision.changes} == {MUG: 14, SIX: 2}


@dataclass(frozen=True)
class Sold:
    """An order: units of one product that Shopify has committed here, and what became of it at the warehouse."""

    product: Product
    committed: int  # units of the product
    stands: str  # with nobody, pending, netted, in_transit_out, or shipped where the quantity knows
    asked: int  # units of the product that the warehouse was given

    @property
    def given(self) -> int:
        """In item units."""
        return self.asked * self.product.components[0][1] if self.stands != "with nobody" else 0

    @property
    def commitments(self) -> int:
        units = min(self.committed, self.asked) if self.stands != "with nobody" else 0
        return units * self.product.components[0][1]

    @property
    def wanted(self) -> int:
        """Item units that the quantity still contains and that are not for others: by this order alone."""
        beyond = max(0, self.committed * self.product.components[0][1] - self.commitments)
        return beyond + (self.given if self.stands in ("pending", "in_transit_out") else 0)


sold = st.builds(
    Sold,
    product=st.sampled_from([MUG, SIX]),
    committed=st.integers(0, 4),
    stands=st.sampled_from(["with nobody", "pending", "netted", "in_transit_out", "shipped"]),
    asked=st.integers(0, 4),
)


@given(
    quantity=st.integers(0, 90),
    orders=st.lists(sold, max_size=8),
    others=st.integers(0, 20),
    basis=st.sampled_from(["available", "on_hand"]),
)
def test_each_order_is_taken_off_once_and_none_is_set_off_against_another(
    quantity: int, orders: list[Sold], others: int, basis: str
) -> None:
    sums: dict[str, Any] = {
        stands: sum(o.given for o in orders if o.stands == stands)
        for stands in ("pending", "netted", "in_transit_out")
    }
    level = stock(
        quantity=quantity, reserved_by_others=others, commitments=sum(o.commitments for o in orders), **sums
    )
    committed = {p: sum(o.committed for o in orders if o.product == p) for p in (MUG, SIX)}
    decision = decided(
        level,
        basis=basis,
        products=(MUG, SIX),
        i301=reading(-1, committed[MUG], on_hand=-1),
        i306=reading(-1, committed[SIX], on_hand=-1),
    )
    offered = {change.product: change.quantity for change in decision.changes}
    if basis == "on_hand":
        offered = {product: offered[product] - committed[product] for product in offered}
    left = quantity - others - sum(order.wanted for order in orders)
    if basis == "on_hand":
        left -= sums["netted"]  # the quantity knows of no open order
    expected = {MUG: left, SIX: left // 6}
    for product, units in expected.items():
        lowest = -committed[product] if basis == "on_hand" else 0
        assert offered[product] == max(lowest, units)
