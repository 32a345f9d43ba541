"""`python -m bench.outage`: an endpoint is down for a while; what does that cost it, and what does it cost the others?

Four outages, one after the other: a WMS answers 503, a WMS swallows every call, and the same for one shop's Shopify.
Meanwhile customers go on ordering at both shops, and one of the shops has nothing to do with the dead end. Exit code 1:
others were slowed down, calls overlapped, or something was lost, doubled, counted as an attempt or told twice.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench import evidence
from bench.evidence import Evidence
from bench.gate import REFUSES, SWALLOWS, Gate, gate_before, most_at_once
from bench.lag import Customers, Lags, lags, ordered, wait_for
from bench.stage import BUCKETS, deployed_fleet, load_average, say, stage
from tests.end_to_end.installation.stack import Stack
from tests.end_to_end.installation.world import BERLIN, LYON
from tests.world import Sandbox, sandbox_process

MOST = 2.0
FIRST_FAILURES = 4
"""Failures that may count against a job: the fifth in a row opens the circuit, and from then on none counts."""

LONGEST_OPEN = 30.0
OPENING = 60.0
"""Seconds of an outage that are told apart from the rest: within them it must have been noticed."""

SETTLES = 300.0
SHOWN_SECONDS = 10


@dataclass(frozen=True)
class Scenario:
    """What goes down, and how. `end`: whose gate."""

    end: str
    account: str
    lane: str
    how: str


SCENARIOS = {
    "wms-503": Scenario("wms", "north", "wms:north", REFUSES),
    "wms-hole": Scenario("wms", "north", "wms:north", SWALLOWS),
    "shopify-503": Scenario("shopify", BERLIN.domain, f"shop:{BERLIN.domain}", REFUSES),
    "shopify-hole": Scenario("shopify", BERLIN.domain, f"shop:{BERLIN.domain}", SWALLOWS),
}


@dataclass
class Course:
    """One outage. Times are `time.time()`; `seen`: the lane's evidence, sampled."""

    scenario: Scenario
    began: float = 0.0
    down: float = 0.0
    opened: float | None = None
    up: float = 0.0
    through: float = 0.0
    missing: int = 0
    seen: list[Evidence] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def check(self, good: bool, complaint: str) -> None:
        """Note a complaint unless all is good."""
        if not good:
            self.wrong.append(complaint)


def main() -> int:
    """Measure; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.outage", description=__doc__.splitlines()[0])
    parser.add_argument("--of", nargs="*", choices=list(SCENARIOS), help="default: all of them")
    parser.add_argument("--seconds", type=float, default=120.0, help="of each outage")
    parser.add_argument("--quiet", type=float, default=100.0, help="seconds of comparison before it")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between the others' orders")
    parser.add_argument(
        "--dead-every", type=float, default=0.5, help="seconds between orders for the dead end"
    )
    parser.add_argument("--bucket", choices=list(BUCKETS), default="large", help="points of each shop")
    parser.add_argument("--latency", type=float, default=0.1, help="seconds that every answer takes")
    given = parser.parse_args()
    road: dict[str, Gate] = {}

    @contextmanager
    def behind_gates() -> Iterator[Sandbox]:
        with (
            sandbox_process() as sandbox,
            gate_before(sandbox.shopify.root) as shopify,
            gate_before(sandbox.wms.root) as wms,
        ):
            road.update(shopify=shopify, wms=wms)
            yield Sandbox({"shopify": shopify.root, "wms": wms.root})

    fleet = deployed_fleet()
    with stage(fleet, latency=given.latency, bucket=given.bucket, start_sandbox=behind_gates) as stack:
        say(f"fleet: {', '.join(f'{queues} {processes}' for queues, processes in fleet.values())}")
        ordered(stack, LYON, "FR", every=0.2, orders=20)  # every process has imported what it needs
        ordered(stack, BERLIN, "DE", every=0.2, orders=20)
        wrong = [
            complaint
            for name in given.of or SCENARIOS
            for complaint in _suffer(stack, road[SCENARIOS[name].end], name, given)
        ]
    return 1 if wrong else 0


def _suffer(stack: Stack, gate: Gate, name: str, given: argparse.Namespace) -> list[str]:
    course = Course(SCENARIOS[name], began=time.time())
    others = Customers(stack, LYON, "FR", every=given.every)
    theirs = Customers(stack, BERLIN, "DE", every=given.dead_every)
    others.start()
    theirs.start()
    time.sleep(given.quiet)
    _go_down(course, gate, given.seconds)
    theirs.stop()
    _come_back(course, gate, stack, theirs)
    course.check(others.is_alive(), "the others could not order until the end")
    others.stop()
    course.missing += wait_for(stack, others.paid, seconds=SETTLES)
    _tell_of_the_others(name, course, stack, others)
    _tell_of_the_dead_end(name, course, gate)
    _tell_of_the_return(name, course, gate, stack, theirs)
    for complaint in course.wrong:
        say(f"{name}: WRONG {complaint}")
    return course.wrong


def _go_down(course: Course, gate: Gate, seconds: float) -> None:
    course.down = gate.take_down(course.scenario.account, course.scenario.how)
    while time.time() < course.down + seconds:
        time.sleep(2.0)
        if course.opened is None:
            course.opened = evidence.circuit_opened(course.scenario.lane, course.down)
        else:
            course.seen.append(evidence.of_lane(course.scenario.lane))


def _come_back(course: Course, gate: Gate, stack: Stack, theirs: Customers) -> None:
    course.up = gate.bring_back(course.scenario.account)
    course.missing = wait_for(stack, theirs.paid, seconds=SETTLES)
    course.through = time.time()


def _tell_of_the_others(name: str, course: Course, stack: Stack, others: Customers) -> None:
    def paid(since: float, until: float) -> Lags:
        return lags(stack, {placed: at for placed, at in others.paid.items() if since <= at < until})

    quiet, since = paid(course.began, course.down), paid(course.down, course.through)
    ratio = since.percentile(99) / quiet.percentile(99)
    say(f"{name}: others, quiet            {quiet}; {load_average()}")
    say(f"{name}: others, since then       {since}: p99 × {ratio:.2f}")
    say(f"{name}:   its first {OPENING:.0f} s          {paid(course.down, course.down + OPENING)}")
    say(f"{name}:   later in the outage    {paid(course.down + OPENING, course.up)}")
    say(f"{name}:   while it was made up   {paid(course.up, course.through)}")
    course.check(ratio < MOST, f"the others' p99 is {ratio:.2f} times its quiet value")


def _tell_of_the_dead_end(name: str, course: Course, gate: Gate) -> None:
    calls = gate.of(course.scenario.account, since=course.down, until=course.up)
    course.check(course.opened is not None, "the circuit never opened")
    opened = course.opened or course.up
    probes = [call for call in calls if call.began > opened]
    at_once = most_at_once(probes)
    say(
        f"{name}: circuit open after {opened - course.down:.1f} s and {len(calls) - len(probes)} calls; then"
        f" {len(probes) * 60 / max(1.0, course.up - opened):.1f} calls a minute, at most {at_once} at once"
    )
    course.check(at_once <= 1, f"{at_once} probes at once")
    told = evidence.alerts_since(course.down)
    alerts = told.get(("circuit_open", course.scenario.lane), 0)
    if course.seen:
        say(f"{name}: first seen: {course.seen[0]}")
        say(f"{name}: last seen:  {course.seen[-1]}")
        _check_the_lane(course)
    say(f"{name}: alerts: {', '.join(f'{kind} {subject} × {n}' for (kind, subject), n in told.items())}")
    course.check(alerts == 1, f"{alerts} alerts of the lane")


def _check_the_lane(course: Course) -> None:
    last, most = course.seen[-1], max(each.most_attempts for each in course.seen)
    course.check(most <= FIRST_FAILURES, f"{most} attempts of one job counted")
    more = last.attempts - course.seen[0].attempts
    course.check(more <= 0, f"{more} attempts counted while the circuit was open")
    course.check(last.dead == 0, f"{last.dead} dead letters")
    longest = max(each.open_for for each in course.seen)
    course.check(longest <= LONGEST_OPEN, f"no probe for {longest:.0f} s")


def _tell_of_the_return(name: str, course: Course, gate: Gate, stack: Stack, theirs: Customers) -> None:
    calls = [call for call in gate.of(course.scenario.account, since=course.up) if call.passed]
    first = calls[0].began if calls else course.up
    by_second = [sum(first + n <= call.began < first + n + 1 for call in calls) for n in range(SHOWN_SECONDS)]
    say(
        f"{name}: back: first call after {first - course.up:.1f} s; calls in the seconds from then on: {by_second},"
        f" at most {most_at_once(calls)} at once"
    )
    waited = _waited_for(course, theirs)
    doubled = sum(len(books["duplicates"]) for books in stack.wms.get("/books")["connections"].values())
    say(
        f"{name}: all {waited} orders of the outage through {course.through - course.up:.0f} s after its end;"
        f" missing {course.missing}, doubled {doubled}"
    )
    course.check(course.missing == 0, f"{course.missing} orders are at no WMS")
    course.check(doubled == 0, f"{doubled} orders doubled")


def _waited_for(course: Course, theirs: Customers) -> int:
    return sum(at >= course.down for at in theirs.paid.values())


if __name__ == "__main__":
    sys.exit(main())
