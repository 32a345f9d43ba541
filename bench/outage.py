"""`python -m bench.outage`: an endpoint is down for a while. What does that cost its own work, and the work of others?

There are four outages, one after the other: a WMS answers 503, a WMS never answers, and the same for the Shopify of one
shop. Meanwhile customers go on ordering at both shops, and one of the shops does not use the endpoint that is down. The
exit code is 1 if the other shop was slowed down, if calls overlapped, or if something was lost, doubled, counted as an
attempt or reported twice.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench import lane_state
from bench.installation import BUCKETS, deployed_fleet, load_average, running_installation, say
from bench.lag import Customers, Lags, lags, measure_orders, wait_for
from bench.lane_state import LaneState
from bench.proxy import REFUSES, SWALLOWS, Proxy, most_at_once, running_proxy
from tests.end_to_end.installation.stack import Stack
from tests.end_to_end.installation.world import BERLIN, LYON
from tests.world import Sandbox, sandbox_process

MOST_SLOWDOWN = 2.0
FIRST_FAILURES = 4
"""At most this many failures count against a job. The fifth in a row opens the circuit, and then none counts."""

LONGEST_OPEN = 30.0
FIRST_SECONDS = 60.0
"""The first seconds of an outage are reported apart, because the circuit opens within them."""

CATCH_UP_SECONDS = 300.0
SHOWN_SECONDS = 10


@dataclass(frozen=True)
class Scenario:
    """What goes down, and how. `end` names the proxy: "wms" or "shopify"."""

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
class Outage:
    """What was measured in one outage. Times are `time.time()`. `lane_states` are samples of the state of the lane."""

    scenario: Scenario
    began_at: float = 0.0
    down_at: float = 0.0
    opened_at: float | None = None
    up_at: float = 0.0
    caught_up_at: float = 0.0
    missing: int = 0
    lane_states: list[LaneState] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def check(self, holds: bool, problem: str) -> None:
        """Note a problem unless the condition holds."""
        if not holds:
            self.problems.append(problem)


def main() -> int:
    """Measure, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.outage", description=__doc__.splitlines()[0])
    parser.add_argument("--of", nargs="*", choices=list(SCENARIOS), help="outages (default: all)")
    parser.add_argument("--seconds", type=float, default=120.0, help="seconds of each outage")
    parser.add_argument(
        "--before", type=float, default=100.0, help="seconds of undisturbed work before each outage"
    )
    parser.add_argument(
        "--every", type=float, default=1.0, help="seconds between the orders of the other shop"
    )
    parser.add_argument(
        "--affected-every", type=float, default=0.5, help="seconds between the orders of the affected shop"
    )
    parser.add_argument(
        "--bucket", choices=list(BUCKETS), default="large", help="size of each shop's bucket of points"
    )
    parser.add_argument("--latency", type=float, default=0.1, help="seconds that each answer takes")
    options = parser.parse_args()
    proxies: dict[str, Proxy] = {}

    @contextmanager
    def behind_proxies() -> Iterator[Sandbox]:
        with (
            sandbox_process() as sandbox,
            running_proxy(sandbox.shopify.root) as shopify,
            running_proxy(sandbox.wms.root) as wms,
        ):
            proxies.update(shopify=shopify, wms=wms)
            yield Sandbox({"shopify": shopify.root, "wms": wms.root})

    fleet = deployed_fleet()
    with running_installation(
        fleet, latency=options.latency, bucket=options.bucket, start_sandbox=behind_proxies
    ) as stack:
        say(f"fleet: {', '.join(f'{queues} {threads}' for queues, threads in fleet.values())}")
        # Every process has imported its modules after these orders.
        measure_orders(stack, LYON, "FR", every=0.2, orders=20)
        measure_orders(stack, BERLIN, "DE", every=0.2, orders=20)
        problems = [
            problem
            for name in options.of or SCENARIOS
            for problem in _measure(stack, proxies[SCENARIOS[name].end], name, options)
        ]
    return 1 if problems else 0


def _measure(stack: Stack, proxy: Proxy, name: str, options: argparse.Namespace) -> list[str]:
    """Play one outage and report it. Returns the problems that were found."""
    outage = Outage(SCENARIOS[name], began_at=time.time())
    others = Customers(stack, LYON, "FR", every=options.every)
    affected = Customers(stack, BERLIN, "DE", every=options.affected_every)
    others.start()
    affected.start()
    time.sleep(options.before)
    _take_down(outage, proxy, options.seconds)
    affected.stop()
    _bring_back(outage, proxy, stack, affected)
    outage.check(others.is_alive(), "the other shop could not order until the end")
    others.stop()
    outage.missing += wait_for(stack, others.paid, seconds=CATCH_UP_SECONDS)
    _report_others(name, outage, stack, others)
    _report_outage(name, outage, proxy)
    _report_recovery(name, outage, proxy, stack, affected)
    for problem in outage.problems:
        say(f"{name}: PROBLEM: {problem}")
    return outage.problems


def _take_down(outage: Outage, proxy: Proxy, seconds: float) -> None:
    """Take the endpoint down for this many seconds. Note when its circuit opens, and sample the lane from then on."""
    outage.down_at = proxy.take_down(outage.scenario.account, outage.scenario.how)
    while time.time() < outage.down_at + seconds:
        time.sleep(2.0)
        if outage.opened_at is None:
            outage.opened_at = lane_state.circuit_opened_at(outage.scenario.lane, outage.down_at)
        else:
            outage.lane_states.append(lane_state.read(outage.scenario.lane))


def _bring_back(outage: Outage, proxy: Proxy, stack: Stack, affected: Customers) -> None:
    outage.up_at = proxy.bring_back(outage.scenario.account)
    outage.missing = wait_for(stack, affected.paid, seconds=CATCH_UP_SECONDS)
    outage.caught_up_at = time.time()


def _report_others(name: str, outage: Outage, stack: Stack, others: Customers) -> None:
    """Report the lags of the other shop, and check that it was not slowed down."""

    def paid(since: float, until: float) -> Lags:
        return lags(stack, {placed: at for placed, at in others.paid.items() if since <= at < until})

    before, since = paid(outage.began_at, outage.down_at), paid(outage.down_at, outage.caught_up_at)
    ratio = since.percentile(99) / before.percentile(99)
    say(f"{name}: others, before           {before}; {load_average()}")
    say(f"{name}: others, since then       {since}: p99 × {ratio:.2f}")
    say(
        f"{name}:   its first {FIRST_SECONDS:.0f} s          {paid(outage.down_at, outage.down_at + FIRST_SECONDS)}"
    )
    say(f"{name}:   later in the outage    {paid(outage.down_at + FIRST_SECONDS, outage.up_at)}")
    say(f"{name}:   while it caught up     {paid(outage.up_at, outage.caught_up_at)}")
    outage.check(ratio < MOST_SLOWDOWN, f"the p99 of the other shop is {ratio:.2f} times its value before")


def _report_outage(name: str, outage: Outage, proxy: Proxy) -> None:
    """Report the outage, and check that its circuit opened, that probes did not overlap, and that there was one
    alert."""
    calls = proxy.calls_to(outage.scenario.account, since=outage.down_at, until=outage.up_at)
    outage.check(outage.opened_at is not None, "the circuit never opened")
    opened = outage.opened_at or outage.up_at
    probes = [call for call in calls if call.began > opened]
    overlap = most_at_once(probes)
    say(
        f"{name}: circuit open after {opened - outage.down_at:.1f} s and {len(calls) - len(probes)} calls; then"
        f" {len(probes) * 60 / max(1.0, outage.up_at - opened):.1f} calls a minute, at most {overlap} at once"
    )
    outage.check(overlap <= 1, f"{overlap} probes at once")
    alerts_by_kind = lane_state.alerts_since(outage.down_at)
    alerts = alerts_by_kind.get(("circuit_open", outage.scenario.lane), 0)
    if outage.lane_states:
        say(f"{name}: first sample: {outage.lane_states[0]}")
        say(f"{name}: last sample:  {outage.lane_states[-1]}")
        _check_lane(outage)
    say(
        f"{name}: alerts: {', '.join(f'{kind} {subject} × {n}' for (kind, subject), n in alerts_by_kind.items())}"
    )
    outage.check(alerts == 1, f"{alerts} alerts about the lane")


def _check_lane(outage: Outage) -> None:
    """Check the samples: few attempts counted, none while the circuit was open, no dead letter, and probes in time."""
    last, most = outage.lane_states[-1], max(each.most_attempts for each in outage.lane_states)
    outage.check(most <= FIRST_FAILURES, f"{most} attempts of one job counted")
    more = last.attempts - outage.lane_states[0].attempts
    outage.check(more <= 0, f"{more} attempts counted while the circuit was open")
    outage.check(last.dead == 0, f"{last.dead} dead letters")
    longest = max(each.open_for for each in outage.lane_states)
    outage.check(longest <= LONGEST_OPEN, f"no probe for {longest:.0f} s")


def _report_recovery(name: str, outage: Outage, proxy: Proxy, stack: Stack, affected: Customers) -> None:
    """Report the time after the outage, and check that no order is missing or doubled."""
    calls = [call for call in proxy.calls_to(outage.scenario.account, since=outage.up_at) if call.passed]
    first = calls[0].began if calls else outage.up_at
    by_second = [sum(first + n <= call.began < first + n + 1 for call in calls) for n in range(SHOWN_SECONDS)]
    say(
        f"{name}: back: first call after {first - outage.up_at:.1f} s; calls in the seconds from then on: {by_second},"
        f" at most {most_at_once(calls)} at once"
    )
    affected_count = _affected_orders(outage, affected)
    doubled = sum(len(books["duplicates"]) for books in stack.wms.get("/books")["connections"].values())
    say(
        f"{name}: all {affected_count} orders of the outage arrived"
        f" {outage.caught_up_at - outage.up_at:.0f} s after its end;"
        f" missing {outage.missing}, doubled {doubled}"
    )
    outage.check(outage.missing == 0, f"{outage.missing} orders are at no WMS")
    outage.check(doubled == 0, f"{doubled} orders doubled")


def _affected_orders(outage: Outage, affected: Customers) -> int:
    return sum(at >= outage.down_at for at in affected.paid.values())


if __name__ == "__main__":
    sys.exit(main())
