"""What customers and warehouse people will do in a run: a pure function of the seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

from tests.end_to_end.world import BERLIN, ITEMS, LYON, SHOPS, House, Shop

# Shop -> country -> which warehouse serves it first. South ships in two parcels where it can, and a kit or pack
# whose pieces leave in different parcels is one fulfilment in the end: kits and packs are not sold to the south.
MARKETS = ((BERLIN, "DE"), (BERLIN, "AT"), (BERLIN, "FR"), (LYON, "FR"), (LYON, "BE"), (LYON, "DE"))
SOUTH = {(BERLIN.domain, "FR"), (LYON.domain, "FR"), (LYON.domain, "BE")}
DEAF_MARKETS = ((BERLIN, "PL"), (LYON, "PL"))
"""Served by a WMS that can neither be asked nor told twice."""
NOBODY_SERVES = "US"
NOVELTY = 4
"""Index of each shop's product that is not mapped at the start."""
CANCELLED, PAID_LATER, COUNTED = 0.08, 0.06, 0.05
"""Shares of the orders: cancelled later, paid later, accompanied by a count of some shelf."""


class Fate(StrEnum):
    """What is to become of an order; only one that ships at once may be cancelled."""

    SHIPS = "ships"
    UNMAPPED = "waits for its SKU to be mapped, then ships"
    UNSERVED = "no warehouse serves its country"
    NO_ADDRESS = "has no address"
    NEVER_PAID = "is never paid"


DECK = (*(fate for fate in Fate if fate != Fate.SHIPS), *[Fate.SHIPS] * 46)
"""The fates of 50 orders; three of those that ship go to a deaf WMS."""
DEAF_SHARE = 3 / 46


@dataclass(frozen=True)
class Wish:
    """One order to be placed `at` seconds. `lines`: (index of the product, units)."""

    at: float
    shop: Shop
    country: str
    lines: tuple[tuple[int, int], ...]
    fate: Fate
    pay_after: float | None = None
    cancel_after: float | None = None


@dataclass(frozen=True)
class Count:
    """`at` seconds somebody finds `delta` units more on a shelf."""

    at: float
    house: House
    item: str
    delta: int


def wishes(orders: int, *, rate: float, seed: int) -> list[Wish]:
    """The orders of a run, `rate` a second; every fate is among each 50."""
    dice = random.Random(f"orders {seed}")
    fates: list[Fate] = []
    while len(fates) < orders:
        fates += dice.sample(DECK, len(DECK))
    return [_wish(number / rate, fates[number], dice) for number in range(orders)]


def _wish(at: float, fate: Fate, dice: random.Random) -> Wish:
    deaf = fate == Fate.SHIPS and dice.random() < DEAF_SHARE
    shop, country = dice.choice(DEAF_MARKETS if deaf else MARKETS)
    for_sale = range(2 if (shop.domain, country) in SOUTH else NOVELTY)
    chosen = dice.sample(for_sale, dice.choice((1, 1, 2)))
    if fate == Fate.UNMAPPED:
        chosen = [NOVELTY, chosen[0]]
    paid_later, changes_mind = dice.random() < PAID_LATER, dice.random() < CANCELLED
    return Wish(
        at=at,
        shop=shop,
        country=NOBODY_SERVES if fate == Fate.UNSERVED else country,
        lines=tuple((product, dice.randint(1, 3)) for product in chosen),
        fate=fate,
        pay_after=dice.uniform(1, 6) if paid_later and fate != Fate.NEVER_PAID else None,
        cancel_after=dice.uniform(0.1, 8) if changes_mind and fate == Fate.SHIPS else None,
    )


def extra(number: int) -> Wish:
    """One order more, at once: every market in turn."""
    markets = (*DEAF_MARKETS, *MARKETS)
    shop, country = markets[number % len(markets)]
    return Wish(at=0.0, shop=shop, country=country, lines=((number % 2, 1 + number % 3),), fate=Fate.SHIPS)


def counts(seconds: float, *, orders: int, seed: int) -> list[Count]:
    """When somebody counts a shelf."""
    dice = random.Random(f"counts {seed}")
    houses = [house for shop in SHOPS for house in shop.houses]
    made = (
        Count(dice.uniform(0, seconds), dice.choice(houses), dice.choice(ITEMS), dice.randint(-9, 20))
        for _ in range(round(orders * COUNTED))
    )
    return sorted(made, key=lambda each: each.at)
