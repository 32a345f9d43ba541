"""Orders go out and their shipments come back, through real processes on both sides of every wire."""

from __future__ import annotations

import pytest

from tests.end_to_end import story
from tests.end_to_end.installation.stack import Stack
from tests.end_to_end.installation.waiting import until
from tests.end_to_end.installation.world import BERLIN, LYON
from tests.end_to_end.people import People

pytestmark = pytest.mark.e2e


def _live_through_a_day(stack: Stack) -> tuple[People, story.Day]:
    people = People(stack)
    day = story.customers_order(people)
    story.they_reach_the_warehouses(people, day)
    story.people_see_to_the_others(people, day)
    story.parcels_leave(people, day)
    story.all_is_well(stack, day)
    return people, day


def _told(lags: list[float]) -> str:
    return f"median {lags[len(lags) // 2]:.2f} s, longest {lags[-1]:.2f} s (of {len(lags)})"


def test_a_day_at_two_shops(stack: Stack) -> None:
    people, day = _live_through_a_day(stack)
    assert [story.create_calls(people, placed) for placed in day.at_once] == [1] * len(day.at_once)
    stack.figures.append(f"order lag, a dozen orders at once: {_told(story.lags(*day.at_once))}")
    assert '"event": "job_run"' in (stack.programs.logs / "orders.log").read_text()


def test_orders_one_at_a_time(stack: Stack) -> None:
    people, orders = People(stack), []
    for shop in (BERLIN, LYON, BERLIN):
        orders.append(people.order(shop, "DE", (shop.mug, 1)))
        people.wait_for(orders[-1])
    until(lambda: len(story.lags(*orders)) == len(orders), what="all confirmed")
    stack.figures.append(f"order lag, one order at a time: {_told(story.lags(*orders))}")


def test_the_same_day_with_everything_three_times_in_random_order(stack: Stack) -> None:
    stack.deliver(copies=3, shuffle_seconds=1.5)
    people, day = _live_through_a_day(stack)
    assert stack.shopify.get("/idle?seconds=20")["idle"]
    assert stack.wms.get("/idle?seconds=20")["idle"]
    stack.deliver(copies=1, shuffle_seconds=0)
    story.all_is_well(stack, day)
    orders = (*day.at_once, *day.unpaid, day.unmapped)
    assert [story.create_calls(people, placed) for placed in orders] == [1] * len(orders)
    assert all(len(each["attempts"]) == 3 for each in stack.wms.get("/callbacks?type=shipment&limit=5"))
