"""Brings the faults of a forecast about, each at its time. Runs in the main thread: what it starts dies with it."""

from __future__ import annotations

import heapq
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from math import inf
from pathlib import Path

import structlog

from tests.chaos.faults.fault_schedule import CAUSES, EARLY, FATES, FRESH, ORDERS, Fault
from tests.chaos.faults.servers import Servers
from tests.end_to_end.stack import Stack
from tests.world import End, Json

logger = structlog.get_logger(__name__)
GLANCE = 0.3
"""Seconds between two looks whether a call that is to be killed is under way."""
STOP_SECONDS = 30.0
"""So long a worker may take to end in good order: a call that it waits for takes 20."""
REVIVED = "started again by its supervisor"
"""A worker ends by itself when it loses a process while it starts."""
TRIES = 3
"""So often a fault that met nothing comes again by itself; what is missing still is made up for at the end."""


class Storm:
    """The faults, and how often each kind came true."""

    def __init__(self, stack: Stack, servers: Servers, faults: Sequence[Fault], *, seed: int) -> None:
        self.stack, self.servers, self.faults = stack, servers, faults
        self.ends: dict[str, End] = {"wms": stack.wms, "shopify": stack.shopify}
        self.made = Counter[str]()
        self.armed: dict[tuple[str, int], str] = {}
        self.dice = random.Random(f"victims {seed}")
        self.away: set[str] = set()
        self.asked_at: dict[str, float] = {}
        self.numbers = iter(range(10**9))
        self.agenda: list[tuple[float, int, Callable[[], None]]] = []
        self.began = time.monotonic()

    # --- The course of it ---

    def rage(self) -> None:
        """Until the last fault of the forecast is over."""
        self.began = time.monotonic()
        for fault in self.faults:
            self._plan(fault.at, partial(self._begin, fault, TRIES))
        self._live(until=inf)

    def make(
        self, kinds: Collection[str], *, missing: Callable[[], Collection[str]], patience: float
    ) -> None:
        """One more fault of each kind, now, wherever it may be met; returns when none is missing, or after so many
        seconds."""
        wanted = {CAUSES.get(kind, kind) for kind in kinds}
        places = {(each.kind, each.rule.get("match")): each for each in self.faults if each.kind in wanted}
        for fault in places.values():
            lasting = replace(fault, rule={**fault.rule, "seconds": patience, "count": 1})
            again = (lasting, 1) if fault.rule else (fault, TRIES)
            self._after(0, partial(self._begin, *again))
        until = self._now() + patience
        while self._now() < until and missing():
            self._live(until=self._now() + GLANCE)
        self._live(until=inf)

    def end(self) -> None:
        """No call goes wrong from now on."""
        for end in self.ends.values():
            end.heal()

    def kinds(self) -> Counter[str]:
        """Kind of fault -> how often it came true, by the sandbox's count where it is the sandbox's fault."""
        found = Counter(self.made)
        for name, end in self.ends.items():
            for rule in end.get("/faults"):
                found[self.armed.get((name, rule["id"]), "other")] += rule["fired"]
        for what, name in (("webhooks", "shopify"), ("callbacks", "wms")):
            counts = self.ends[name].get("/counts")
            found.update({f"{what} {fate}": sum(counts[fate].values()) for fate in FATES})
            if "early" in counts:
                found[EARLY] = sum(counts["early"].values())
        return +found

    def _live(self, *, until: float) -> None:
        """Do what is planned until then, or until nothing is planned any more."""
        while self.agenda and self.agenda[0][0] <= until:
            at, _, act = heapq.heappop(self.agenda)
            time.sleep(max(0.0, at - self._now()))
            act()
            self.made[REVIVED] += len(self.stack.programs.revive(but=self.away))
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

    def _again(self, fault: Fault, tries: int) -> None:
        if tries > 1:
            self._begin(fault, tries - 1)

    # --- Of the wire ---

    def arm(self, fault: Fault, tries: int) -> None:
        """The next calls that fit go wrong; when none came, it is tried again."""
        armed = self._rule(fault.target, fault.rule, fault.kind)
        if tries > 1:
            self._after(fault.rule["seconds"], partial(self._unless_fired, fault.target, armed, fault, tries))

    def _unless_fired(self, end: str, armed: int, fault: Fault, tries: int) -> None:
        if not self._fired(end, armed):
            self._again(fault, tries)

    def outage(self, fault: Fault, tries: int) -> None:
        """Nothing of a WMS answers."""
        everything = {"match": f"* /{fault.target}/**", "fault": "503", "count": None, "seconds": fault.lasts}
        armed = self._rule("wms", everything, fault.kind)
        self._after(fault.lasts, partial(self._unless_fired, "wms", armed, fault, tries))

    def _rule(self, end: str, rule: Json, kind: str) -> int:
        armed: int = self.ends[end].post("/faults", rule)["id"]
        self.armed[end, armed] = kind
        return armed

    def _fired(self, end: str, armed: int) -> bool:
        return any(rule["fired"] for rule in self.ends[end].get("/faults") if rule["id"] == armed)

    # --- Of servers ---

    def flush(self, fault: Fault, _tries: int) -> None:
        """Valkey forgets everything."""
        self.servers.flush_valkey()
        self.made[fault.kind] += 1

    def drop_connections(self, fault: Fault, _tries: int) -> None:
        """Every connection to the database breaks."""
        self.made[fault.kind] += bool(self.servers.drop_connections())

    def restart(self, fault: Fault, _tries: int) -> None:
        """Short enough to wait for: nothing else happens meanwhile."""
        self.servers.stop(fault.target)
        time.sleep(fault.lasts)
        self.servers.start(fault.target)
        self.made[fault.kind] += 1

    # --- Of programs ---

    def kill(self, fault: Fault, tries: int) -> None:
        """The machine of a program dies; after a while there is another."""
        self._take_away(fault, tries, gently=False)

    def terminate(self, fault: Fault, tries: int) -> None:
        """A program is asked to end, and started again, as in a deployment."""
        self._take_away(fault, tries, gently=True)

    def skew(self, fault: Fault, tries: int) -> None:
        """A worker comes back with a wrong clock, which it has until it is taken away once more."""
        self._take_away(fault, tries, gently=True, skewed=True)

    def _take_away(self, fault: Fault, tries: int, *, gently: bool, skewed: bool = False) -> None:
        programs, name = self.stack.programs, fault.target
        if name in self.away:
            self._after(FRESH, partial(self._again, fault, tries))
            return
        self.away.add(name)
        (programs.skewed.add if skewed else programs.skewed.discard)(name)
        if gently:
            self.asked_at[name] = self._now()
            os.kill(programs.pid(name), signal.SIGTERM)
        else:
            programs.kill(name)
        self._after(fault.lasts, partial(self._bring_back, fault, gently=gently))

    def _bring_back(self, fault: Fault, *, gently: bool) -> None:
        if gently and fault.target not in self.stack.programs.gone():
            if self._now() < self.asked_at[fault.target] + STOP_SECONDS:
                self._after(GLANCE, partial(self._bring_back, fault, gently=True))
                return
            self.stack.programs.kill(fault.target)
            self.made["SIGKILL after SIGTERM"] += 1
        self.stack.programs.start(fault.target)
        self.away.discard(fault.target)
        self.made[fault.kind] += 1

    def kill_in_call(self, fault: Fault, tries: int) -> None:
        """The WMS takes an order and does not answer; the worker that waits for the answer dies."""
        rule = {"match": f"POST /{fault.target}/orders", "fault": "timeout_after", "delay": fault.lasts}
        armed = self._rule("wms", {**rule, "seconds": FRESH}, "call whose caller dies")
        self._watch(fault, armed, self._now() + FRESH, tries)

    def _watch(self, fault: Fault, armed: int, until: float, tries: int) -> None:
        if self._fired("wms", armed):
            killed = sum(self._kill_children(name, at_most=99) for name in ORDERS)
            self.made[fault.kind] += bool(killed)
        elif self._now() < until:
            self._after(GLANCE, partial(self._watch, fault, armed, until, tries))
        else:
            self._again(fault, tries)

    def kill_child(self, fault: Fault, tries: int) -> None:
        """One process of a worker's pool dies: its parent goes on and makes a new one."""
        if self._kill_children(fault.target, at_most=1):
            self.made[fault.kind] += 1
        else:
            self._after(FRESH, partial(self._again, fault, tries))

    def _kill_children(self, name: str, *, at_most: int) -> int:
        if name in self.away:
            return 0
        pid, killed = self.stack.programs.pid(name), 0
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for child in self.dice.sample(children, min(at_most, len(children))):
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
                killed += 1
        return killed
