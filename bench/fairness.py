"""`python -m bench.fairness`: does one shop with 20,000 waiting jobs delay another shop's orders?

For each kind of backlog the orders of the other shop are timed in turns: some while nothing else is done, and some
while the backlog is worked off. So whatever else the machine does affects both. The exit code is 1 if the p99 with the
backlog is twice the p99 without it, or more.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass

from bench import backlog
from bench.installation import BUCKETS, deployed_fleet, load_average, running_installation, say
from bench.lag import Lags, measure_orders
from tests.end_to_end.installation.stack import Stack
from tests.end_to_end.installation.waiting import until
from tests.end_to_end.installation.world import BERLIN, LYON

KNOWN_ORDERS = 60
"""The busy shop has this many orders before its backlog comes."""

MOST_SLOWDOWN = 2.0
"""The other shop's p99 must be less than this many times its p99 without a backlog."""


@dataclass(frozen=True)
class Result:
    """The result for one backlog.

    `rate` is how many of its jobs were done per second while the orders of the other shop were timed. `left` is how
    many waited at the end.
    """

    name: str
    alone: Lags
    loaded: Lags
    rate: float
    left: int

    @property
    def ratio(self) -> float:
        """The p99 with the backlog, divided by the p99 without it."""
        return self.loaded.percentile(99) / self.alone.percentile(99)

    @property
    def fair(self) -> bool:
        """Whether the ratio is below its limit. If the backlog was empty before the end, nothing is proved."""
        return self.ratio < MOST_SLOWDOWN and self.left > 0


def main() -> int:
    """Measure, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.fairness", description=__doc__.splitlines()[0])
    parser.add_argument("--backlog", type=int, default=20_000, help="waiting jobs of the busy shop")
    parser.add_argument(
        "--of", nargs="*", choices=sorted(backlog.BACKLOGS), help="kinds of backlog (default: all)"
    )
    parser.add_argument(
        "--orders", type=int, default=120, help="orders of the other shop, without and with the backlog each"
    )
    parser.add_argument("--rounds", type=int, default=4, help="number of turns in which they come")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between them")
    parser.add_argument(
        "--concurrency", type=int, help="concurrency of the backlog's lane (default: as in the product)"
    )
    parser.add_argument(
        "--bucket", choices=list(BUCKETS), default="large", help="size of each shop's bucket of points"
    )
    parser.add_argument("--latency", type=float, default=0.1, help="seconds that each answer takes")
    options = parser.parse_args()
    with running_installation(
        fleet := deployed_fleet(), latency=options.latency, bucket=options.bucket
    ) as stack:
        say(f"fleet: {', '.join(f'{queues} {threads}' for queues, threads in fleet.values())}")
        for country in ("DE", "FR"):
            measure_orders(stack, BERLIN, country, every=0.1, orders=KNOWN_ORDERS // 2)
        # Every process has imported its modules after these orders.
        measure_orders(stack, LYON, "FR", every=0.2, orders=20)
        results = [_measure(stack, name, options) for name in options.of or backlog.BACKLOGS]
    return 0 if all(result.fair for result in results) else 1


def _measure(stack: Stack, name: str, options: argparse.Namespace) -> Result:
    """Measure the orders of the other shop in turns, without and with the backlog, and report the result."""
    lane = backlog.make(name, BERLIN.domain, jobs=options.backlog, concurrency=options.concurrency)
    alone, loaded, seconds, left = Lags([]), Lags([]), 0.0, options.backlog
    orders = options.orders // options.rounds
    for _ in range(options.rounds):
        alone += measure_orders(stack, LYON, "FR", every=options.every, orders=orders)
        before = backlog.done()
        backlog.make_due()
        until(lambda seen=before: backlog.done() > seen, what="a first job of the backlog", seconds=30)  # type: ignore[misc]
        began = time.monotonic()
        loaded += measure_orders(stack, LYON, "FR", every=options.every, orders=orders)
        seconds += time.monotonic() - began
        left = backlog.postpone()
        say(f"{name}: so far alone {alone}; {load_average()}")
        say(f"{name}: so far loaded {loaded}")
    result = Result(name, alone, loaded, rate=backlog.done() / seconds, left=left)
    backlog.clear()
    verdict = "fair" if result.fair else "UNFAIR"
    say(
        f"{name}: p99 × {result.ratio:.2f} ({verdict}) while {lane} did {result.rate:.1f} jobs a second, {left} left"
    )
    return result


if __name__ == "__main__":
    sys.exit(main())
