"""Which fault comes when: a pure function of the seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

ROUND = 60.0
"""Seconds in which every kind of fault comes once."""
OVER_OUR_TIMEOUT = 22.0
CALM = 3.0
"""Seconds at the beginning without faults."""

SLUGS = ("north", "south")
DOMAINS = ("berlin.myshopify.com", "lyon.myshopify.com")
GRAPHQL = "POST /*/admin/api/*/graphql.json"
WMS_FAULTS = (
    "timeout_after", "timeout_before", "500", "500_after", "503", "429", "reset", "reset_after", "truncate", "not_json",
    "slow",
)  # fmt: skip
WMS_CALLS = ("POST /{slug}/orders", "POST /{slug}/orders", "* /{slug}/**", "POST /{slug}/orders/*/cancel")
SHOPIFY_FAULTS = (
    ("fulfillmentCreate", "timeout_after"), ("fulfillmentCreate", "500_after"), ("fulfillmentCreate", "timeout_before"),
    ("inventorySetQuantities", "timeout_after"), ("inventorySetQuantities", "reset_after"),
    ("inventorySetQuantities", "throttled"), ("fulfillmentCreate", "throttled"),
    (GRAPHQL, "throttled"), (GRAPHQL, "500"), (GRAPHQL, "503"), (GRAPHQL, "429"),
    (GRAPHQL, "truncate"), (GRAPHQL, "not_json"),
)  # fmt: skip
PROGRAMS = ("orders-1", "orders-2", "chores")
"""The worker processes; see tests.chaos.__main__."""


@dataclass(frozen=True)
class Fault:
    """`kind` says what happens, `target` to whom; `detail` is for faults of the wire, `lasts` for absences."""

    at: float
    kind: str
    target: str
    lasts: float = 0.0
    detail: dict[str, Any] = field(default_factory=dict)


def forecast(seconds: float, *, seed: int) -> list[Fault]:
    """All faults of a run that lasts so long, by time; at least one whole round."""
    dice, faults = random.Random(f"faults {seed}"), []
    rounds = max(1, round((seconds - CALM) / ROUND))
    length = (seconds - CALM) / rounds
    for number in range(rounds):
        faults += _one_round(CALM + number * length, length, dice)
    return sorted(faults, key=lambda fault: fault.at)


def _one_round(begin: float, length: float, dice: random.Random) -> list[Fault]:
    """Programs, servers and both ends of the wire."""
    wire = [_of_wms(begin + dice.uniform(0, length), kind, dice) for kind in WMS_FAULTS]
    wire += [_of_shopify(begin + dice.uniform(0, length), *each, dice) for each in SHOPIFY_FAULTS]
    outage = Fault(begin + dice.uniform(0.2, 0.7) * length, "outage", dice.choice(SLUGS), dice.uniform(4, 8))
    return [*wire, outage, *_incidents(begin, length, dice)]


def _of_wms(at: float, kind: str, dice: random.Random) -> Fault:
    slug = dice.choice(SLUGS)
    detail = {"match": dice.choice(WMS_CALLS).format(slug=slug), "fault": kind, "count": dice.randint(1, 3)}
    return Fault(at, "wms", slug, detail={**detail, "delay": _delay(kind, dice)})


def _of_shopify(at: float, match: str, kind: str, dice: random.Random) -> Fault:
    domain = dice.choice(DOMAINS)
    detail = {"match": match, "fault": kind, "count": dice.randint(1, 3), "domain": domain}
    return Fault(at, "shopify", domain, detail={**detail, "delay": _delay(kind, dice)})


def _delay(kind: str, dice: random.Random) -> float:
    """Seconds until the connection closes without an answer, rarely longer than our own time-out (20 s): each such call
    takes one of few workers away for that long."""
    if kind == "slow":
        return round(dice.uniform(1, 6), 1)
    return dice.choices((0.5, 1.0, 2.0, 5.0, OVER_OUR_TIMEOUT), weights=(5, 5, 5, 2, 1))[0]


def _incidents(begin: float, length: float, dice: random.Random) -> list[Fault]:
    """Of the machine: each in a slot of its own, in random order, so that none hides another."""
    orders = ["orders-1", "orders-2"]
    dice.shuffle(orders)
    kinds = [
        ("kill", orders[0], dice.uniform(1, 4)),
        ("terminate", orders[1], dice.uniform(1, 4)),
        ("skew", dice.choice(orders), dice.uniform(1, 2)),
        ("kill_in_call", dice.choice(SLUGS), 2.0),
        ("kill_child", dice.choice(PROGRAMS), 0.0),
        (dice.choice(("kill", "terminate")), "chores", dice.uniform(1, 4)),
        ("no_beat", "beat", dice.uniform(6, 12)),
        ("flush", "valkey", 0.0),
        ("restart", "valkey", dice.uniform(0.2, 2)),
        ("drop_connections", "postgres", 0.0),
        ("restart", "postgres", dice.uniform(0.1, 1)),
    ]
    dice.shuffle(kinds)
    slot = length / len(kinds)
    return [
        Fault(begin + (number + dice.uniform(0, 0.6)) * slot, kind, target, round(lasts, 1))
        for number, (kind, target, lasts) in enumerate(kinds)
    ]
