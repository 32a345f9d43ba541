"""Makes the scheduled faults happen, each at its time.

It runs in the main thread, because servers die with the thread that starts them.
"""

from __future__ import annotations

import heapq
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from math import inf

import structlog

from tests.chaos.faults.fault_schedule import (
    CAUSES,
    DELIVERY_FAULTS,
    EARLY_CALLBACK,
    ORDERS,
    RULE_SECONDS,
    Fault,
)
from tests.chaos.faults.servers import Servers
from tests.end_to_end.installation.stack import Stack
from tests.world import End, Json

logger = structlog.get_logger(__name__)
RESTART_SECONDS = 1.0
"""A supervisor starts a program again after this time."""
POLL_SECONDS = 0.3
"""The seconds between two checks whether the call has begun whose caller is killed."""
STOP_SECONDS = 30.0
"""So long a worker may take to stop in good order. A call that it waits for takes up to 20 seconds."""
RESTARTED = "started again by its supervisor"
"""A worker stops by itself when it loses a process while it starts."""
MAX_TRIES = 3
"""So often a fault is tried that meets no call. What is still missing is injected at the end of the run."""


class FaultInjector:
    """Injects faults, and counts how often each kind happened."""

    def __init__(self, stack: Stack, servers: Servers, faults: Sequence[Fault], *, seed: int) -> None:
        self.stack, self.servers, self.faults = stack, servers, faults
        self.ends: dict[str, End] = {"wms": stack.wms, "shopify": stack.shopify}
        self.made = Counter[str]()
        self.armed: dict[tuple[str, int], str] = {}
        self.rng = random.Random(f"victims {seed}")
        self.away: set[str] = set()
        self.asked_at: dict[str, float] = {}
        self.numbers = iter(range(10**9))
        self.agenda: list[tuple[float, int, Callable[[], None]]] = []
        self.began = time.monotonic()

    # --- The schedule ---

    def inject_all(self) -> None:
        """Injects all faults of the schedule, and returns when the last one is over."""
        self.began = time.monotonic()
        for fault in self.faults:
            self._plan(fault.at, partial(self._begin, fault, MAX_TRIES))
        self._run_until(until=inf)

    def inject_missing(
        self, kinds: Collection[str], *, missing: Callable[[], Collection[str]], patience: float
    ) -> None:
        """Injects one more fault of each kind at once, at every place where the schedule has one.

        Returns when no kind is missing, or after `patience` seconds.
        """
        wanted = {CAUSES.get(kind, kind) for kind in kinds}
        places = {(each.kind, each.rule.get("match")): each for each in self.faults if each.kind in wanted}
        for fault in places.values():
            lasting = replace(fault, rule={**fault.rule, "seconds": patience, "count": 1})
            again = (lasting, 1) if fault.rule else (fault, MAX_TRIES)
            self._after(0, partial(self._begin, *again))
        until = self._now() + patience
        while self._now() < until and missing():
            self._run_until(until=self._now() + POLL_SECONDS)
        self._run_until(until=inf)

    def end(self) -> None:
        """Ends all network faults."""
        for end in self.ends.values():
            end.heal()

    def count_by_kind(self) -> Counter[str]:
        """Returns how often each kind of fault happened. The sandbox counts the faults of its own."""
        found = Counter(self.made)
        for name, end in self.ends.items():
            for rule in end.get("/faults"):
                found[self.armed.get((name, rule["id"]), "other")] += rule["fired"]
        for what, name in (("webhooks", "shopify"), ("callbacks", "wms")):
            counts = self.ends[name].get("/counts")
            found.update({f"{what} {fault}": sum(counts[fault].values()) for fault in DELIVERY_FAULTS})
            if "early" in counts:
                found[EARLY_CALLBACK] = sum(counts["early"].values())
        return +found

    def _run_until(self, *, until: float) -> None:
        """Does what is planned until then, or until nothing is planned any more."""
        while self.agenda and self.agenda[0][0] <= until:
            at, _, act = heapq.heappop(self.agenda)
            time.sleep(max(0.0, at - self._now()))
            act()
            self.made[RESTARTED] += len(self.stack.programs.revive(but=self.away))
        if until < inf:
            time.sleep(max(0.0, until - self._now()))

    def _now(self) -> float:
        return time.monotonic() - self.began

    def _plan(self, at: float, act: Callable[[], None]) -> None:
        heapq.heappush(self.agenda, (at, next(self.numbers), act))

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        self._plan(self._now() + seconds, act)

    def _begin(self, fault: Fault, tries: int) -> None:
        logger.info("fault", at=round(self._now(), 1), kind=fault.kind, target=fault.target, **fault.rule)
        getattr(self, fault.act)(fault, tries)

    def _retry(self, fault: Fault, tries: int) -> None:
        if tries > 1:
            self._begin(fault, tries - 1)

    # --- Network faults ---

    def arm(self, fault: Fault, tries: int) -> None:
        """Makes the next calls that fit go wrong. The fault is tried again when no call came."""
        armed = self._rule(fault.target, fault.rule, fault.kind)
        if tries > 1:
            self._after(fault.rule["seconds"], partial(self._unless_fired, fault.target, armed, fault, tries))

    def _unless_fired(self, end: str, armed: int, fault: Fault, tries: int) -> None:
        if not self._fired(end, armed):
            self._retry(fault, tries)

    def outage(self, fault: Fault, tries: int) -> None:
        """Makes every call to a WMS fail."""
        everything = {"match": f"* /{fault.target}/**", "fault": "503", "count": None, "seconds": fault.lasts}
        armed = self._rule("wms", everything, fault.kind)
        self._after(fault.lasts, partial(self._unless_fired, "wms", armed, fault, tries))

    def _rule(self, end: str, rule: Json, kind: str) -> int:
        armed: int = self.ends[end].post("/faults", rule)["id"]
        self.armed[end, armed] = kind
        return armed

    def _fired(self, end: str, armed: int) -> bool:
        return any(rule["fired"] for rule in self.ends[end].get("/faults") if rule["id"] == armed)

    # --- Servers ---

    def flush(self, fault: Fault, _tries: int) -> None:
        """Makes Valkey forget everything."""
        self.servers.flush_valkey()
        self.made[fault.kind] += 1

    def drop_connections(self, fault: Fault, _tries: int) -> None:
        """Breaks every connection to the database."""
        self.made[fault.kind] += bool(self.servers.drop_connections())

    def restart(self, fault: Fault, _tries: int) -> None:
        """Restarts a server. The outage is so short that no other fault happens meanwhile."""
        self.servers.stop(fault.target)
        time.sleep(fault.lasts)
        self.servers.start(fault.target)
        self.made[fault.kind] += 1

    # --- Programs ---

    def kill(self, fault: Fault, tries: int) -> None:
        """Kills a program as if its machine died, and starts it again after a while."""
        self._stop_for_a_while(fault, tries, gently=False)

    def terminate(self, fault: Fault, tries: int) -> None:
        """Asks a program to stop and starts it again, as a deployment does."""
        self._stop_for_a_while(fault, tries, gently=True)

    def skew(self, fault: Fault, tries: int) -> None:
        """Restarts a worker with a wrong clock, which it has until its next restart."""
        self._stop_for_a_while(fault, tries, gently=True, skewed=True)

    def _stop_for_a_while(self, fault: Fault, tries: int, *, gently: bool, skewed: bool = False) -> None:
        programs, name = self.stack.programs, fault.target
        if name in self.away:
            self._after(RULE_SECONDS, partial(self._retry, fault, tries))
            return
        self.away.add(name)
        (programs.skewed.add if skewed else programs.skewed.discard)(name)
        if gently:
            self.asked_at[name] = self._now()
            os.kill(programs.pid(name), signal.SIGTERM)
        else:
            programs.kill(name)
        self._after(fault.lasts, partial(self._start_again, fault, gently=gently))

    def _start_again(self, fault: Fault, *, gently: bool) -> None:
        if gently and fault.target not in self.stack.programs.gone():
            if self._now() < self.asked_at[fault.target] + STOP_SECONDS:
                self._after(POLL_SECONDS, partial(self._start_again, fault, gently=True))
                return
            self.stack.programs.kill(fault.target)
            self.made["SIGKILL after SIGTERM"] += 1
        self.stack.programs.start(fault.target)
        self.away.discard(fault.target)
        self.made[fault.kind] += 1

    def kill_in_call(self, fault: Fault, tries: int) -> None:
        """Kills the workers of orders while one waits for an answer: the WMS accepted an order and is silent."""
        rule = {"match": f"POST /{fault.target}/orders", "fault": "timeout_after", "delay": fault.lasts}
        armed = self._rule("wms", {**rule, "seconds": RULE_SECONDS}, "call whose caller dies")
        self._kill_when_called(fault, armed, self._now() + RULE_SECONDS, tries)

    def _kill_when_called(self, fault: Fault, armed: int, until: float, tries: int) -> None:
        if self._fired("wms", armed):
            for name in [each for each in ORDERS if each not in self.away]:
                self.away.add(name)
                self.stack.programs.kill(name)
                self._after(RESTART_SECONDS, partial(self._comes_back, name))
                self.made[fault.kind] += 1
        elif self._now() < until:
            self._after(POLL_SECONDS, partial(self._kill_when_called, fault, armed, until, tries))
        else:
            self._retry(fault, tries)

    def _comes_back(self, name: str) -> None:
        self.stack.programs.start(name)
        self.away.discard(name)
