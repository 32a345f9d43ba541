"""What Shopify should be told, worked out without a database."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.push_plan import Change, Decision, Product, Reading, Stock, decide

MUG = Product(301, (("MUG", 1),), mapping_id=1, label="MUG")
SIX = Product(306, (("MUG", 6),), mapping_id=2, label="SIX MUGS")
SET = Product(307, (("MUG", 2), ("POT", 1)), mapping_id=3, label="TEA SET")


def stock(item: str = "MUG", figure: int = 10, **more: Any) -> Stock:
    values = {"counted": 0, "held": 0, "gone": 0, "elsewhere": 0, "marked_at": None, **more}
    return Stock({"MUG": 1, "POT": 2}[item], item, figure, **values)


def reading(available: int = 0, committed: int = 0, on_hand: int = 0, **more: Any) -> Reading:
    values = {"tracked": True, "active": True, **more}
    return Reading(available=available, committed=committed, on_hand=on_hand, **values)


def told(
    *stocks: Stock,
    basis: str = "available",
    products: tuple[Product, ...] = (MUG,),
    i301: Reading | None = None,
    i306: Reading | None = None,
    i307: Reading | None = None,
) -> Decision:
    readings = {item: each for item, each in ((301, i301), (306, i306), (307, i307)) if each}
    return decide(basis, targets=products, sharing=products, stocks=stocks, readings=readings)


@pytest.mark.parametrize(
    ("level", "at_shopify", "quantity"),
    [
        (stock(figure=10), reading(0), 10),
        (stock(figure=10), reading(0, committed=3), 7),
        (stock(figure=7, counted=3), reading(0, committed=3), 7),
        (stock(figure=7, counted=3), reading(0, committed=5), 5),
        (stock(figure=7, counted=5), reading(0, committed=3), 7),
        (stock(figure=10, held=2), reading(0, committed=5), 5),
        (stock(figure=10, held=2), reading(0, committed=0), 8),
        (stock(figure=10, gone=2), reading(0), 8),
        (stock(figure=10, elsewhere=4), reading(0, committed=1), 5),
        (stock(figure=2), reading(1, committed=5), 0),
        (stock(figure=2_000_000_000), reading(0), 1_000_000_000),
    ],
)
def test_available_is_the_figure_less_the_orders_it_does_not_know_of(
    level: Stock, at_shopify: Reading, quantity: int
) -> None:
    assert [change.quantity for change in told(level, i301=at_shopify).changes] == [quantity]


@pytest.mark.parametrize(
    ("level", "at_shopify", "quantity"),
    [
        (stock(figure=10), reading(on_hand=0), 10),
        (stock(figure=10, held=3), reading(on_hand=0, committed=3), 10),
        (stock(figure=10), reading(on_hand=0, committed=12), 10),
        (stock(figure=10, elsewhere=4), reading(on_hand=0, committed=3), 6),
        (stock(figure=10, gone=2), reading(on_hand=0), 8),
    ],
)
def test_on_hand_is_the_figure_less_what_is_others_or_gone(
    level: Stock, at_shopify: Reading, quantity: int
) -> None:
    assert [change.quantity for change in told(level, basis="on_hand", i301=at_shopify).changes] == [quantity]


def test_the_change_is_from_the_very_figure_that_was_read() -> None:
    assert told(stock(), i301=reading(4)).changes == (Change(MUG, 10, 4),)
    assert told(stock(), basis="on_hand", i301=reading(4, on_hand=6)).changes == (Change(MUG, 10, 6),)


def test_equal_is_not_sent() -> None:
    decision = told(stock(), i301=reading(10))
    assert (decision.changes, decision.told) == ((), {1: 10})


def test_an_item_that_is_not_tracked_is_left_alone() -> None:
    assert told(stock(), i301=reading(0, tracked=False)) == Decision(told={1: 10})


def test_an_item_that_is_not_stocked_there_is_to_be_activated() -> None:
    assert told(stock(), i301=reading(active=False)).activations == (Change(MUG, 10, None),)


def test_an_item_that_shopify_does_not_have_is_told() -> None:
    assert told(stock()).unknown == (MUG,)


def test_a_pack_is_as_many_as_can_be_made() -> None:
    assert told(stock(figure=20), products=(SIX,), i306=reading()).changes == (Change(SIX, 3, 0),)


def test_a_kit_is_as_many_as_its_scarcest_component_allows() -> None:
    decision = told(stock("MUG", 10), stock("POT", 3), products=(SET,), i307=reading())
    assert decision.changes == (Change(SET, 3, 0),)
    assert told(stock("MUG", 10), products=(SET,), i307=reading()).changes == ()  # never observed = 0


def test_what_one_variant_sold_is_gone_for_all_that_share_the_item() -> None:
    decision = told(
        stock(figure=20), products=(MUG, SIX), i301=reading(committed=3), i306=reading(committed=1)
    )
    assert {change.product: change.quantity for change in decision.changes} == {MUG: 11, SIX: 1}
    assert decision.told == {1: 11}


def test_on_hand_a_pack_shows_what_can_be_sold_and_what_is_committed() -> None:
    mugs, sixes = reading(committed=5, on_hand=0), reading(committed=1, on_hand=0)
    decision = told(stock(figure=20), basis="on_hand", products=(MUG, SIX), i301=mugs, i306=sixes)
    assert {change.product: change.quantity for change in decision.changes} == {MUG: 14, SIX: 2}


units = st.integers(0, 50)


@given(
    figure=units,
    committed=st.integers(0, 9),
    six=st.integers(0, 3),
    counted=units,
    held=units,
    elsewhere=units,
)
def test_shopify_never_offers_more_than_lies_there_unpromised(
    figure: int, committed: int, six: int, counted: int, held: int, elsewhere: int
) -> None:
    level = stock(figure=figure, counted=counted, held=held, elsewhere=elsewhere)
    decision = told(level, products=(MUG, SIX), i301=reading(-1, committed), i306=reading(-1, six))
    offered = {change.product: change.quantity for change in decision.changes}
    unknown_to_the_figure = max(committed + 6 * six - counted, held)
    assert max(offered[MUG], 6 * offered[SIX]) <= max(0, figure - elsewhere - unknown_to_the_figure)
