"""`python -m bench.orders`: what an order costs, beside another revision if one is named.

Each revision is deployed as its docker-compose.yml says, on servers of its own, beside the same simulators. It is
measured when it is idle, then while it takes orders of two lines through their full circle, as fast as it can. With
several rounds the revisions take turns, so that whatever else the machine does meets all of them; the round with the
least CPU counts for each, because others on the machine can only add to it. A last, short turn attributes the SQL
statements to kinds of jobs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack

from bench.installation import BUCKETS, load_average, say
from bench.orders.measuring import OURS, Figures, Plan, measure
from bench.orders.report import statements, table
from bench.orders.revision import Revision, checked_out, this_tree


def main() -> int:
    """Measures and reports. Returns the exit code."""
    given = _arguments()
    plan = Plan(given.orders, BUCKETS[given.bucket], given.idle, given.within, given.cost_model)
    counted = Plan(given.count, BUCKETS["large"], idle_seconds=1.0)
    with ExitStack() as stack:
        revisions = [stack.enter_context(checked_out(commit)) for commit in given.before] + [
            this_tree(small=given.small)
        ]
        rounds = [_in_turn(revisions, lambda each: measure(each, plan)) for _ in range(given.rounds)]
        _print("What an order costs", table([_calmest(turns) for turns in zip(*rounds, strict=True)]))
        if given.count:
            found = _in_turn(revisions, lambda each: measure(each, counted, count_statements=True))
            _print("SQL statements an order, by kind of job", statements(found))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.orders", description=__doc__.splitlines()[0])
    parser.add_argument("--orders", type=int, default=200)
    parser.add_argument(
        "--before", nargs="*", default=[], metavar="REV", help="measured beside this tree, first"
    )
    parser.add_argument("--small", action="store_true", help="this tree with its docker-compose.small.yml")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--bucket", choices=list(BUCKETS), default="large", help="points of each shop")
    parser.add_argument(
        "--cost-model", choices=["recorded", "linear"], default="recorded", help="what Shopify's lists cost"
    )
    parser.add_argument("--within", type=float, default=0.0, help="seconds in which the orders are placed")
    parser.add_argument("--idle", type=float, default=30.0, help="seconds that the idle product is measured")
    parser.add_argument(
        "--count", type=int, default=30, help="orders whose statements are attributed; 0: none"
    )
    return parser.parse_args()


def _in_turn(revisions: Sequence[Revision], measured: Callable[[Revision], Figures]) -> list[Figures]:
    found = []
    for revision in revisions:
        say(f"{revision.name}: begins; {load_average()}")
        found.append(measured(revision))
    return found


def _calmest(turns: Sequence[Figures]) -> Figures:
    return min(turns, key=lambda each: sum(map(each.cpu_per_order, OURS)))


def _print(title: str, lines: Iterable[str]) -> None:
    print(f"\n### {title}\n", *lines, "", sep="\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
