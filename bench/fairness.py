"""`python -m bench.fairness`: does one shop with 20,000 waiting jobs delay another shop's orders?

For each kind of backlog the other shop's orders are timed by turns: some with nothing else to do, some while the
backlog is worked off, and so on, so that whatever else the machine does meets both. Exit code 1: its p99 is twice the
quiet one, or more.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass

from bench import backlog
from bench.lag import Lags, ordered
from bench.stage import BUCKETS, deployed_fleet, load_average, say, stage
from tests.end_to_end.installation.stack import Stack
from tests.end_to_end.installation.waiting import until
from tests.end_to_end.installation.world import BERLIN, LYON

KNOWN_ORDERS = 60
"""Orders that the busy shop has before its backlog comes."""

MOST = 2.0
"""The other shop's p99 must stay under this many times its quiet value."""


@dataclass(frozen=True)
class Result:
    """One backlog. `rate`: its jobs a second while the other's orders were timed; `left`: waiting at the end."""

    name: str
    quiet: Lags
    loaded: Lags
    rate: float
    left: int

    @property
    def ratio(self) -> float:
        """p99 loaded / quiet."""
        return self.loaded.percentile(99) / self.quiet.percentile(99)

    @property
    def fair(self) -> bool:
        """Whether the promise is kept; a backlog that was over before the end proves nothing."""
        return self.ratio < MOST and self.left > 0


def main() -> int:
    """Measure; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.fairness", description=__doc__.splitlines()[0])
    parser.add_argument("--backlog", type=int, default=20_000, help="waiting jobs of the busy shop")
    parser.add_argument("--of", nargs="*", choices=sorted(backlog.BACKLOGS), help="default: all of them")
    parser.add_argument(
        "--orders", type=int, default=120, help="orders of the other shop, quiet and loaded each"
    )
    parser.add_argument("--rounds", type=int, default=4, help="turns in which they come")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between them")
    parser.add_argument("--concurrency", type=int, help="of the backlog's lane; default: the product's")
    parser.add_argument("--bucket", choices=list(BUCKETS), default="large", help="points of each shop")
    parser.add_argument("--latency", type=float, default=0.1, help="seconds that every answer takes")
    given = parser.parse_args()
    with stage(fleet := deployed_fleet(), latency=given.latency, bucket=given.bucket) as stack:
        say(f"fleet: {', '.join(f'{queues} {processes}' for queues, processes in fleet.values())}")
        for country in ("DE", "FR"):
            ordered(stack, BERLIN, country, every=0.1, orders=KNOWN_ORDERS // 2)
        ordered(stack, LYON, "FR", every=0.2, orders=20)  # every process has imported what it needs
        results = [_measure(stack, name, given) for name in given.of or backlog.BACKLOGS]
    return 0 if all(result.fair for result in results) else 1


def _measure(stack: Stack, name: str, given: argparse.Namespace) -> Result:
    lane = backlog.make(name, BERLIN.domain, jobs=given.backlog, concurrency=given.concurrency)
    quiet, loaded, seconds, left = Lags([]), Lags([]), 0.0, given.backlog
    orders = given.orders // given.rounds
    for _ in range(given.rounds):
        quiet += ordered(stack, LYON, "FR", every=given.every, orders=orders)
        before = backlog.done()
        backlog.fall_due()
        until(lambda seen=before: backlog.done() > seen, what="a first job of the backlog", seconds=30)  # type: ignore[misc]
        began = time.monotonic()
        loaded += ordered(stack, LYON, "FR", every=given.every, orders=orders)
        seconds += time.monotonic() - began
        left = backlog.put_off()
        say(f"{name}: so far quiet  {quiet}; {load_average()}")
        say(f"{name}: so far loaded {loaded}")
    result = Result(name, quiet, loaded, rate=backlog.done() / seconds, left=left)
    backlog.clear()
    verdict = "fair" if result.fair else "UNFAIR"
    say(
        f"{name}: p99 × {result.ratio:.2f} ({verdict}) while {lane} did {result.rate:.1f} jobs a second, {left} left"
    )
    return result


if __name__ == "__main__":
    sys.exit(main())
