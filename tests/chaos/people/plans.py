"""What customers and warehouse people will do in a run, as a pure function of the seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

from tests.end_to_end.installation.world import BERLIN, ITEMS, LYON, SHOPS, House, Shop

# The south ships in two parcels where it can. A kit or pack whose pieces leave in different parcels becomes one
# fulfilment in the end, so kits and packs are not sold where the south serves first.
MARKETS = ((BERLIN, "DE"), (BERLIN, "AT"), (BERLIN, "FR"), (LYON, "FR"), (LYON, "BE"), (LYON, "DE"))
SOUTH = {(BERLIN.domain, "FR"), (LYON.domain, "FR"), (LYON.domain, "BE")}
MARKETS_WITHOUT_LOOK_UP = ((BERLIN, "PL"), (LYON, "PL"))
"""These markets are served by a WMS that has neither a look-up nor idempotency."""
NOBODY_SERVES = "US"
UNMAPPED_PRODUCT = 4
"""The index of each shop's product that is not mapped at the start."""
CANCELLED, PAID_LATER, COUNTED = 0.08, 0.06, 0.05
"""The shares of the orders that are cancelled later, are paid later, or come with a stock count."""


class Fate(StrEnum):
    """What will happen to an order. Only an order that ships at once may be cancelled."""

    SHIPS = "ships"
    UNMAPPED = "waits for its SKU to be mapped, then ships"
    UNSERVED = "no warehouse serves its country"
    NO_ADDRESS = "has no address"
    NEVER_PAID = "is never paid"


FATES_OF_FIFTY = (*(fate for fate in Fate if fate != Fate.SHIPS), *[Fate.SHIPS] * 46)
"""The fates of 50 orders. Three of those that ship go to the WMS without a look-up."""
SHARE_WITHOUT_LOOK_UP = 3 / 46


@dataclass(frozen=True)
class PlannedOrder:
    """One order that is placed `at` seconds after the start. `lines` holds (index of the product, units)."""

    at: float
    shop: Shop
    country: str
    lines: tuple[tuple[int, int], ...]
    fate: Fate
    pay_after: float | None = None
    cancel_after: float | None = None


@dataclass(frozen=True)
class PlannedCount:
    """A count at which somebody finds `delta` units more on a shelf, `at` seconds after the start."""

    at: float
    house: House
    item: str
    delta: int


def plan_orders(orders: int, *, rate: float, seed: int) -> list[PlannedOrder]:
    """Returns the orders of a run, `rate` per second. Every fate occurs among each 50 orders."""
    rng = random.Random(f"orders {seed}")
    fates: list[Fate] = []
    while len(fates) < orders:
        fates += rng.sample(FATES_OF_FIFTY, len(FATES_OF_FIFTY))
    return [_plan_order(number / rate, fates[number], rng) for number in range(orders)]


def _plan_order(at: float, fate: Fate, rng: random.Random) -> PlannedOrder:
    without_look_up = fate == Fate.SHIPS and rng.random() < SHARE_WITHOUT_LOOK_UP
    shop, country = rng.choice(MARKETS_WITHOUT_LOOK_UP if without_look_up else MARKETS)
    for_sale = range(2 if (shop.domain, country) in SOUTH else UNMAPPED_PRODUCT)
    chosen = rng.sample(for_sale, rng.choice((1, 1, 2)))
    if fate == Fate.UNMAPPED:
        chosen = [UNMAPPED_PRODUCT, chosen[0]]
    paid_later, changes_mind = rng.random() < PAID_LATER, rng.random() < CANCELLED
    return PlannedOrder(
        at=at,
        shop=shop,
        country=NOBODY_SERVES if fate == Fate.UNSERVED else country,
        lines=tuple((product, rng.randint(1, 3)) for product in chosen),
        fate=fate,
        pay_after=rng.uniform(1, 6) if paid_later and fate != Fate.NEVER_PAID else None,
        cancel_after=rng.uniform(0.1, 8) if changes_mind and fate == Fate.SHIPS else None,
    )


def extra_order(number: int) -> PlannedOrder:
    """Returns one more order, which is placed at once, from every market in turn."""
    markets = (*MARKETS_WITHOUT_LOOK_UP, *MARKETS)
    shop, country = markets[number % len(markets)]
    return PlannedOrder(
        at=0.0, shop=shop, country=country, lines=((number % 2, 1 + number % 3),), fate=Fate.SHIPS
    )


def plan_counts(seconds: float, *, orders: int, seed: int) -> list[PlannedCount]:
    """Returns when somebody counts a shelf, sorted by time."""
    rng = random.Random(f"counts {seed}")
    houses = [house for shop in SHOPS for house in shop.houses]
    made = (
        PlannedCount(rng.uniform(0, seconds), rng.choice(houses), rng.choice(ITEMS), rng.randint(-9, 20))
        for _ in range(round(orders * COUNTED))
    )
    return sorted(made, key=lambda each: each.at)
