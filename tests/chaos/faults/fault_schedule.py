"""Which fault comes when: a pure function of the seed. And the names of all kinds, each of which every run must see."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.world import Json

ROUND = 80.0
"""Seconds in which every kind of fault comes once."""
CALM = 3.0
"""Seconds at the beginning without faults."""
BEYOND_PATIENCE = 22.0
"""Seconds; our own time-out is 20."""
FRESH = 12.0
"""Seconds for which a fault of the wire waits for its call."""
MIDST_OF_A_CALL = 10.0

ASKABLE = ("north", "south")
DEAF = "east"
"""It can neither be asked nor told twice: after a lost answer a person decides."""
DOMAINS = ("berlin.myshopify.com", "lyon.myshopify.com")
GRAPHQL = "POST /*/admin/api/*/graphql.json"
AFTER = ("timeout_after", "500_after", "reset_after", "truncate", "not_json", "slow")
BEFORE = ("timeout_before", "reset", "500", "503", "429")
ELSEWHERE = ("* /{slug}/**", "POST /{slug}/orders/*/cancel", "GET /{slug}/inventory", "GET /{slug}/orders")
SHOPIFY_FAULTS = (
    ("fulfillmentCreate", "timeout_after"), ("fulfillmentCreate", "500_after"), ("fulfillmentCreate", "timeout_before"),
    ("fulfillmentCreate", "throttled"),
    ("inventorySetQuantities", "timeout_after"), ("inventorySetQuantities", "reset_after"),
    ("inventorySetQuantities", "throttled"),
    (GRAPHQL, "throttled"), (GRAPHQL, "500"), (GRAPHQL, "503"), (GRAPHQL, "429"), (GRAPHQL, "truncate"),
    (GRAPHQL, "not_json"), (GRAPHQL, "slow"),
)  # fmt: skip
ORDERS = ("orders-1", "orders-2")
"""The workers that carry orders; see tests.chaos.run."""

FATES = ("duplicated", "late", "overtaken", "lost")
DELIVERIES = frozenset({f"{what} {fate}" for what in ("webhooks", "callbacks") for fate in FATES})
EARLY = "callback before our call returned"
LOST_ANSWER = "wms create, without look-up: "
NOT_THERE = "person decided: not there"
CAUSES = {
    "person decided: there": LOST_ANSWER + "timeout_after",
    NOT_THERE: LOST_ANSWER + "timeout_before",
}
"""What people do -> the fault that makes them."""
MAPPED, ASKED_AGAIN = "person mapped a SKU", "person had a shipment reported again"


@dataclass(frozen=True)
class Fault:
    """`kind` is its name in the report, `act` the method of `Storm` that brings it about to `target`; `lasts` is for
    absences, `rule` for faults of the wire."""

    at: float
    kind: str
    act: str
    target: str = ""
    lasts: float = 0.0
    rule: Json = field(default_factory=dict)


def forecast(seconds: float, *, seed: int) -> list[Fault]:
    """All faults of a run that lasts so long, by time; at least one whole round."""
    dice, faults = random.Random(f"faults {seed}"), []
    rounds = max(1, round((seconds - CALM) / ROUND))
    length = (seconds - CALM) / rounds
    for number in range(rounds):
        begin = CALM + number * length
        faults += [*_of_the_wire(begin, length, dice), *_incidents(begin, length, dice)]
    return sorted(faults, key=lambda fault: fault.at)


def required(faults: Sequence[Fault]) -> frozenset[str]:
    """The kinds that a run must see: all that are forecast, and what deliveries and people do."""
    return frozenset({fault.kind for fault in faults}) | DELIVERIES | CAUSES.keys() | {EARLY, MAPPED}


def _of_the_wire(begin: float, length: float, dice: random.Random) -> list[Fault]:
    """Each at any moment; what takes long comes early, so that a short run need not wait for its consequences."""

    def at(*, until: float = 1.0) -> float:
        return begin + dice.uniform(0, until * length)

    # Nobody believes the south's "not found" until it has settled: it must not be asked in every round.
    faults = [_create(at(), kind, dice.choices(ASKABLE, (1, 2))[0], dice) for kind in AFTER]
    faults += [_create(at(until=0.5), kind, dice.choices(ASKABLE, (4, 1))[0], dice) for kind in BEFORE]
    faults += [_elsewhere(at(), match, dice) for match in ELSEWHERE]
    faults += [_shopify(at(), *each, dice) for each in SHOPIFY_FAULTS]
    faults += [_deaf(at(until=0.5), kind) for kind in ("timeout_after", "timeout_before")]
    return [*faults, *_beyond_patience(at(until=0.3), at(until=0.3), dice), _early(at())]


def _create(at: float, kind: str, slug: str, dice: random.Random) -> Fault:
    rule = {"match": f"POST /{slug}/orders", "fault": kind, "count": dice.randint(1, 2)}
    return _wire(at, f"wms create: {kind}", "wms", {**rule, "delay": _delay(kind, dice)})


def _elsewhere(at: float, match: str, dice: random.Random) -> Fault:
    kind = dice.choice(AFTER + BEFORE)
    rule = {"match": match.format(slug=dice.choice(ASKABLE)), "fault": kind, "count": dice.randint(1, 3)}
    return _wire(at, "wms any other call", "wms", {**rule, "delay": _delay(kind, dice)})


def _shopify(at: float, match: str, kind: str, dice: random.Random) -> Fault:
    what = "any call" if match == GRAPHQL else match
    rule = {"match": match, "fault": kind, "count": dice.randint(1, 2), "domain": dice.choice(DOMAINS)}
    return _wire(at, f"shopify {what}: {kind}", "shopify", {**rule, "delay": _delay(kind, dice)})


def _deaf(at: float, kind: str) -> Fault:
    rule = {"match": f"POST /{DEAF}/orders", "fault": kind, "count": 1, "delay": 1.0, "seconds": 3 * FRESH}
    return _wire(at, LOST_ANSWER + kind, "wms", rule)


def _beyond_patience(at_wms: float, at_shopify: float, dice: random.Random) -> tuple[Fault, Fault]:
    """Each such call takes one of few workers away for 20 s."""
    common: Json = {"fault": "timeout_after", "count": 1, "delay": BEYOND_PATIENCE}
    create = {"match": f"POST /{dice.choice(ASKABLE)}/orders", **common}
    return (
        _wire(at_wms, "wms create: no answer at all", "wms", create),
        _wire(
            at_shopify,
            "shopify fulfillmentCreate: no answer at all",
            "shopify",
            {"match": "fulfillmentCreate", **common},
        ),
    )


def _early(at: float) -> Fault:
    """The south picks an order at once and says so, while its answer to us is still dripping."""
    rule = {"match": "POST /south/orders", "fault": "slow", "count": 2, "delay": 4.0}
    return _wire(at, EARLY, "wms", rule)


def _wire(at: float, kind: str, end: str, rule: dict[str, Any]) -> Fault:
    return Fault(at, kind, "arm", end, rule={"seconds": FRESH, **rule})


def _delay(kind: str, dice: random.Random) -> float:
    """Seconds until the connection closes without an answer, or until the last drip."""
    return round(dice.uniform(1, 6), 1) if kind == "slow" else dice.choice((0.5, 1.0, 2.0, 5.0))


def _incidents(begin: float, length: float, dice: random.Random) -> list[Fault]:
    """Of the machine and of whole systems: each in a slot of its own, in random order, so that none hides another."""
    first, second = dice.sample(ORDERS, 2)
    kinds = [
        ("SIGKILL of a worker", "kill", first, dice.uniform(1, 4)),
        ("SIGTERM of a worker", "terminate", second, dice.uniform(1, 4)),
        ("worker with a wrong clock", "skew", dice.choice(ORDERS), dice.uniform(1, 2)),
        ("SIGKILL in mid-call", "kill_in_call", dice.choice(ASKABLE), MIDST_OF_A_CALL),
        ("SIGKILL of a pool process", "kill_child", dice.choice((*ORDERS, "chores")), 0.0),
        ("SIGKILL of a worker", "kill", "chores", dice.uniform(1, 4)),
        ("beat dead", "kill", "beat", dice.uniform(6, 12)),
        ("wms down", "outage", dice.choice(ASKABLE), dice.uniform(4, 8)),
        ("Valkey flushed", "flush", "valkey", 0.0),
        ("Valkey restarted", "restart", "valkey", dice.uniform(0.2, 2)),
        ("database connections dropped", "drop_connections", "postgres", 0.0),
        ("Postgres restarted", "restart", "postgres", dice.uniform(0.1, 1)),
    ]
    dice.shuffle(kinds)
    slot = length / len(kinds)
    return [
        Fault(begin + (number + dice.uniform(0, 0.6)) * slot, kind, act, target, round(lasts, 1))
        for number, (kind, act, target, lasts) in enumerate(kinds)
    ]
