"""`python -m bench.doors`: what a webhook costs at the door, beside a bare Django view and other revisions.

Signed bodies of orders go to each site in turn, for several rounds. A ratio is that of two turns of the same round, so
that whatever else the machine does meets both; the median of the rounds counts.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.doors import serving
from bench.doors.measuring import Load, Turn, table, turn
from bench.installation import load_average, say
from bench.orders.revision import checked_out, this_tree
from tests.chaos.faults.servers import throw_away_servers

WARM_UP = 200


def main() -> int:
    """Measures and reports. Returns the exit code."""
    given = _arguments()
    load = Load(given.requests, given.connections)
    with ExitStack() as stack:
        revisions = [stack.enter_context(checked_out(commit)) for commit in given.before] + [this_tree()]
        servers = stack.enter_context(throw_away_servers())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-doors-")))
        sites = [serving.bare(servers, folder)]
        sites += [serving.product(revision, servers, folder) for revision in revisions]
        for site in sites:
            stack.callback(site.programs.stop_all)
            turn(site, Load(WARM_UP, given.connections))
        rounds = [_round(sites, load, number) for number in range(given.rounds)]
    print(f"\n### The door, {given.requests} webhooks a turn, {given.rounds} rounds\n")
    print(*table([site.name for site in sites], rounds), sep="\n", flush=True)
    return 0


def _round(sites: list[serving.Site], load: Load, number: int) -> list[Turn]:
    """One turn of each site. Every second round begins at the other end."""
    say(f"round {number + 1}; {load_average()}")
    order = sites if number % 2 == 0 else sites[::-1]
    found = {site.name: turn(site, load) for site in order}
    for name, each in found.items():
        say(
            f"{name}: {each.rate:.0f}/s, p99 {1000 * each.p99:.1f} ms, {each.web:.2f} + {each.postgres:.2f} ms"
        )
    return [found[site.name] for site in sites]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.doors", description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=2000, help="webhooks in a turn")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--before", nargs="*", default=[], metavar="REV", help="measured beside this tree")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
