"""Brings the faults of a forecast about, each at its time. Runs in the main thread: what it starts dies with it."""

from __future__ import annotations

import heapq
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import structlog

from tests.chaos.servers import Servers
from tests.chaos.weather import PROGRAMS, Fault
from tests.end_to_end.stack import Stack
from tests.world import End, Json

logger = structlog.get_logger(__name__)
KINDS = {"kill": "SIGKILL", "terminate": "SIGTERM", "skew": "clock skewed", "no_beat": "beat away"}
GENTLE = {"terminate", "skew"}
MIDST_OF_A_CALL = 10.0
FRESH = 10.0
"""Seconds for which a fault of the wire waits for its call."""


class Storm:
    """The faults, and how often each kind came true."""

    def __init__(self, stack: Stack, servers: Servers, faults: Sequence[Fault], *, seed: int) -> None:
        self.stack, self.servers, self.made = stack, servers, Counter[str]()
        self.dice = random.Random(f"victims {seed}")
        self.away: set[str] = set()
        self.armed: dict[tuple[int, str], tuple[End, Json, float]] = {}
        self.outages = 0
        self.numbers = iter(range(10**9))
        self.agenda: list[tuple[float, int, Callable[[], None]]] = []
        for fault in faults:
            self._plan(fault.at, partial(self._begin, fault))

    def rage(self) -> None:
        """Until the last fault is over; then everything that was stopped runs again, and no call goes wrong."""
        self.began = time.monotonic()
        self._plan(FRESH, self._weed_all)
        while self.agenda:
            at, _, act = heapq.heappop(self.agenda)
            time.sleep(max(0.0, at - self._now()))
            act()
        for end in (self.stack.shopify, self.stack.wms):
            end.heal()

    def kinds(self) -> dict[str, int]:
        """Kind of fault -> how often it came true, by the sandbox's count where it is the sandbox's fault."""
        found = Counter(self.made)
        for name, end in (("shopify", self.stack.shopify), ("wms", self.stack.wms)):
            for rule in end.get("/faults"):
                found[f"{name} {rule['fault']}"] += rule["fired"]
        return dict(sorted((+found).items()))

    def _now(self) -> float:
        return time.monotonic() - self.began

    def _plan(self, at: float, act: Callable[[], None]) -> None:
        heapq.heappush(self.agenda, (at, next(self.numbers), act))

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        self._plan(self._now() + seconds, act)

    def _begin(self, fault: Fault) -> None:
        logger.info("fault", at=round(self._now(), 1), kind=fault.kind, target=fault.target, **fault.detail)
        match fault.kind:
            case "wms":
                self._arm(self.stack.wms, fault.detail)
            case "shopify":
                self._arm(self.stack.shopify, fault.detail)
            case "outage":
                self._outage(fault)
            case "flush":
                self.servers.flush_valkey()
                self.made["valkey flushed"] += 1
            case "drop_connections":
                self.made["connections dropped"] += self.servers.drop_connections()
            case "restart":
                self._restart(fault)
            case "kill_in_call":
                self._kill_in_call(fault)
            case "kill_child":
                self._kill_children(fault.target, at_most=1)
            case _:
                self._take_away(fault)

    def _arm(self, end: End, rule: Json) -> None:
        self.armed[end.post("/faults", rule)["id"], end.root] = end, rule, self._now()

    def _outage(self, fault: Fault) -> None:
        """Nothing of a WMS answers."""
        self.stack.wms.post("/faults", {"match": f"* /{fault.target}/**", "fault": "503", "count": None})
        self.made["wms outage"] += 1
        self.outages += 1
        self._after(fault.lasts, self._end_outage)

    def _end_outage(self) -> None:
        self.outages -= 1
        self._weed(self.stack.wms)

    def _weed(self, end: End) -> None:
        """Disarm what is old: where a circuit is open, faults would gather and meet every single probe.

        The sandbox disarms all or nothing: what is young is armed again for what is left of it.
        """
        left = {rule["id"]: rule["count"] for rule in end.get("/faults")}
        end.heal()
        for number, root in [key for key in self.armed if key[1] == end.root]:
            _, rule, at = self.armed.pop((number, root))
            if left[number] and self._now() - at < FRESH:
                self.armed[end.post("/faults", {**rule, "count": left[number]})["id"], root] = end, rule, at

    def _weed_all(self) -> None:
        if self.outages == 0:
            for end in (self.stack.shopify, self.stack.wms):
                self._weed(end)
        if self.agenda:
            self._after(FRESH / 2, self._weed_all)

    def _restart(self, fault: Fault) -> None:
        """Short enough to wait for: nothing else happens meanwhile."""
        self.servers.stop(fault.target)
        time.sleep(fault.lasts)
        self.servers.start(fault.target)
        self.made[f"{fault.target} restarted"] += 1

    def _take_away(self, fault: Fault) -> None:
        """A program ends, at once or in good order, and is started again after a while."""
        if fault.target in self.away:
            return
        self.away.add(fault.target)
        programs, kind = self.stack.programs, KINDS[fault.kind]
        (programs.skewed.add if fault.kind == "skew" else programs.skewed.discard)(fault.target)
        if fault.kind in GENTLE:
            os.kill(programs.pid(fault.target), signal.SIGTERM)
        else:
            programs.kill(fault.target)
        self.made[kind] += 1
        self._after(fault.lasts, partial(self._bring_back, fault))

    def _bring_back(self, fault: Fault) -> None:
        if fault.kind in GENTLE and not self.stack.programs.stop(fault.target):
            self.made["SIGTERM, then SIGKILL"] += 1
        self.stack.programs.start(fault.target)
        self.away.discard(fault.target)

    def _kill_in_call(self, fault: Fault) -> None:
        """The WMS takes an order and does not answer; the worker that waits for the answer dies."""
        rule = {"match": f"POST /{fault.target}/orders", "fault": "timeout_after", "delay": MIDST_OF_A_CALL}
        self._arm(self.stack.wms, rule)
        self._after(fault.lasts, self._kill_order_workers)

    def _kill_order_workers(self) -> None:
        for name in PROGRAMS[:2]:
            self._kill_children(name, at_most=99)

    def _kill_children(self, name: str, *, at_most: int) -> None:
        """SIGKILL to processes of a worker's pool: its parent goes on and makes new ones."""
        if name in self.away:
            return
        pid = self.stack.programs.pid(name)
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for child in self.dice.sample(children, min(at_most, len(children))):
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
                self.made["SIGKILL of a child"] += 1
