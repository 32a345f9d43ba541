"""Which fault happens when, as a pure function of the seed, and the names of all kinds, which every run must see."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.world import Json

ROUND_SECONDS = 80.0
"""The seconds in which every kind of fault happens once."""
FAULT_FREE_SECONDS = 3.0
"""The seconds at the beginning that have no faults."""
LONGER_THAN_OUR_TIMEOUT = 22.0
"""In seconds. Our own time-out is 20."""
RULE_SECONDS = 12.0
"""The seconds for which a network fault waits for a call that it fits."""
CALL_SECONDS = 10.0
"""So long a call takes whose caller is killed."""

WITH_LOOK_UP = ("north", "south")
WITHOUT_LOOK_UP = "east"
"""This WMS has neither a look-up nor idempotency, so a person decides after a lost answer."""
DOMAINS = ("berlin.myshopify.com", "lyon.myshopify.com")
GRAPHQL = "POST /*/admin/api/*/graphql.json"
AFTER = ("timeout_after", "500_after", "reset_after", "truncate", "not_json", "slow")
BEFORE = ("timeout_before", "reset", "500", "503", "429")
OTHER_CALLS = ("* /{slug}/**", "POST /{slug}/orders/*/cancel", "GET /{slug}/inventory", "GET /{slug}/orders")
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

DELIVERY_FAULTS = ("duplicated", "late", "overtaken", "lost")
DELIVERIES = frozenset({f"{what} {fault}" for what in ("webhooks", "callbacks") for fault in DELIVERY_FAULTS})
EARLY_CALLBACK = "callback before our call returned"
LOST_ANSWER = "wms create, without look-up: "
NOT_THERE = "person decided: not there"
CAUSES = {
    "person decided: there": LOST_ANSWER + "timeout_after",
    NOT_THERE: LOST_ANSWER + "timeout_before",
}
"""What people do -> the fault that makes them do it."""
MAPPED, ASKED_AGAIN = "person mapped a SKU", "person had a shipment reported again"


@dataclass(frozen=True)
class Fault:
    """One fault of the schedule.

    `kind` is its name in the report, and `act` is the method of `FaultInjector` that makes it happen to `target`.
    `lasts` says how long a program or server is away, and `rule` describes a network fault to the sandbox.
    """

    at: float
    kind: str
    act: str
    target: str = ""
    lasts: float = 0.0
    rule: Json = field(default_factory=dict)


def schedule_faults(seconds: float, *, seed: int) -> list[Fault]:
    """Returns all faults of a run of so many seconds, sorted by time. It has at least one whole round."""
    rng, faults = random.Random(f"faults {seed}"), []
    rounds = max(1, round((seconds - FAULT_FREE_SECONDS) / ROUND_SECONDS))
    length = (seconds - FAULT_FREE_SECONDS) / rounds
    for number in range(rounds):
        begin = FAULT_FREE_SECONDS + number * length
        faults += [*_network_faults(begin, length, rng), *_incidents(begin, length, rng)]
    return sorted(faults, key=lambda fault: fault.at)


def required_kinds(faults: Sequence[Fault]) -> frozenset[str]:
    """Returns the kinds that a run must see: all kinds of the schedule, and what deliveries and people do."""
    return frozenset({fault.kind for fault in faults}) | DELIVERIES | CAUSES.keys() | {EARLY_CALLBACK, MAPPED}


def _network_faults(begin: float, length: float, rng: random.Random) -> list[Fault]:
    """Returns the network faults of one round, at random times.

    A fault with long consequences comes early, so that a short run need not wait for them.
    """

    def at(*, until: float = 1.0) -> float:
        return begin + rng.uniform(0, until * length)

    # The application believes the south's "not found" only after it has settled, so not every round may ask it.
    faults = [_create(at(), kind, rng.choices(WITH_LOOK_UP, (1, 2))[0], rng) for kind in AFTER]
    faults += [_create(at(until=0.5), kind, rng.choices(WITH_LOOK_UP, (4, 1))[0], rng) for kind in BEFORE]
    faults += [_other_call(at(), match, rng) for match in OTHER_CALLS]
    faults += [_shopify(at(), *each, rng) for each in SHOPIFY_FAULTS]
    faults += [_lost_answer(at(until=0.5), kind) for kind in ("timeout_after", "timeout_before")]
    return [*faults, *_unanswered_calls(at(until=0.3), at(until=0.3), rng), _early_callback(at())]


def _create(at: float, kind: str, slug: str, rng: random.Random) -> Fault:
    rule = {"match": f"POST /{slug}/orders", "fault": kind, "count": rng.randint(1, 2)}
    return _network_fault(at, f"wms create: {kind}", "wms", {**rule, "delay": _delay(kind, rng)})


def _other_call(at: float, match: str, rng: random.Random) -> Fault:
    kind = rng.choice(AFTER + BEFORE)
    rule = {"match": match.format(slug=rng.choice(WITH_LOOK_UP)), "fault": kind, "count": rng.randint(1, 3)}
    return _network_fault(at, "wms any other call", "wms", {**rule, "delay": _delay(kind, rng)})


def _shopify(at: float, match: str, kind: str, rng: random.Random) -> Fault:
    what = "any call" if match == GRAPHQL else match
    rule = {"match": match, "fault": kind, "count": rng.randint(1, 2), "domain": rng.choice(DOMAINS)}
    return _network_fault(at, f"shopify {what}: {kind}", "shopify", {**rule, "delay": _delay(kind, rng)})


def _lost_answer(at: float, kind: str) -> Fault:
    rule = {
        "match": f"POST /{WITHOUT_LOOK_UP}/orders",
        "fault": kind,
        "count": 1,
        "delay": 1.0,
        "seconds": 3 * RULE_SECONDS,
    }
    return _network_fault(at, LOST_ANSWER + kind, "wms", rule)


def _unanswered_calls(at_wms: float, at_shopify: float, rng: random.Random) -> tuple[Fault, Fault]:
    """Returns two calls that are never answered. There are few, because each occupies one of few workers for 20 s."""
    common: Json = {"fault": "timeout_after", "count": 1, "delay": LONGER_THAN_OUR_TIMEOUT}
    create = {"match": f"POST /{rng.choice(WITH_LOOK_UP)}/orders", **common}
    return (
        _network_fault(at_wms, "wms create: no answer at all", "wms", create),
        _network_fault(
            at_shopify,
            "shopify fulfillmentCreate: no answer at all",
            "shopify",
            {"match": "fulfillmentCreate", **common},
        ),
    )


def _early_callback(at: float) -> Fault:
    """The south picks an order at once and sends a callback, while its slow answer to us is still on its way."""
    rule = {"match": "POST /south/orders", "fault": "slow", "count": 2, "delay": 4.0}
    return _network_fault(at, EARLY_CALLBACK, "wms", rule)


def _network_fault(at: float, kind: str, end: str, rule: dict[str, Any]) -> Fault:
    return Fault(at, kind, "arm", end, rule={"seconds": RULE_SECONDS, **rule})


def _delay(kind: str, rng: random.Random) -> float:
    """Returns the seconds until the connection closes without an answer, or until a slow answer is complete."""
    return round(rng.uniform(1, 6), 1) if kind == "slow" else rng.choice((0.5, 1.0, 2.0, 5.0))


def _incidents(begin: float, length: float, rng: random.Random) -> list[Fault]:
    """Returns the faults of programs and whole systems of one round.

    Each has a time slot of its own, in random order, so that no fault hides another.
    """
    first, second = rng.sample(ORDERS, 2)
    kinds = [
        ("SIGKILL of a worker", "kill", first, rng.uniform(1, 4)),
        ("SIGTERM of a worker", "terminate", second, rng.uniform(1, 4)),
        ("worker with a wrong clock", "skew", rng.choice(ORDERS), rng.uniform(1, 2)),
        ("SIGKILL in mid-call", "kill_in_call", rng.choice(WITH_LOOK_UP), CALL_SECONDS),
        ("SIGKILL of a worker", "kill", "chores", rng.uniform(1, 4)),
        ("beat dead", "kill", "beat", rng.uniform(6, 12)),
        ("wms down", "outage", rng.choice(WITH_LOOK_UP), rng.uniform(4, 8)),
        ("Valkey flushed", "flush", "valkey", 0.0),
        ("Valkey restarted", "restart", "valkey", rng.uniform(0.2, 2)),
        ("database connections dropped", "drop_connections", "postgres", 0.0),
        ("Postgres restarted", "restart", "postgres", rng.uniform(0.1, 1)),
    ]
    rng.shuffle(kinds)
    slot = length / len(kinds)
    return [
        Fault(begin + (number + rng.uniform(0, 0.6)) * slot, kind, act, target, round(lasts, 1))
        for number, (kind, act, target, lasts) in enumerate(kinds)
    ]
