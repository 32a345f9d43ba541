"""One run: start everything, let orders flow and faults rage, wait until nothing moves, compare the books."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from django.db import connections
from django.db.models.functions import Now

from fulfillment.models import WmsOrder
from ops.models import Job
from tests.chaos.faults.fault_injector import Storm
from tests.chaos.faults.fault_schedule import CAUSES, DEAF, NOT_THERE, forecast, required
from tests.chaos.faults.servers import Servers
from tests.chaos.outcome.cpu_meter import Meter
from tests.chaos.outcome.final_state import Standing, by_identity
from tests.chaos.outcome.post_mortem import keep_evidence
from tests.chaos.outcome.report import Report
from tests.chaos.outcome.verdict import Verdict, judge, lags, percentiles
from tests.chaos.outcome.wait_idle import LOOKS_LATER, Quiet
from tests.chaos.people.alert_receiver import Sink
from tests.chaos.people.customers import Customers, Placements
from tests.chaos.people.plans import Count, Fate, counts, extra, wishes
from tests.chaos.people.staff import Staff
from tests.end_to_end import world
from tests.end_to_end.people import People
from tests.end_to_end.stack import Stack
from tests.end_to_end.world import ITEMS, SHOPS, Product
from wmsbridge.celery import app as celery

ORDERS_QUEUES = "submission,callbacks,cancellation,dispatch"
WORKERS = {
    "orders-1": (ORDERS_QUEUES, 3),
    "orders-2": (ORDERS_QUEUES, 3),
    "chores": ("inventory,maintenance,dispatch", 1),
}
AUTO = {
    "north": {"pick_after": 0.2, "pack_after": 1.5, "ship_after": 1.0, "parts": 1},
    "south": {"pick_after": 0.0, "pack_after": 1.0, "ship_after": 0.7, "parts": 2},
    "east": {"pick_after": 0.5, "pack_after": 1.0, "ship_after": 1.0, "parts": 1},
}
"""Warehouses that work by themselves; the south picks before its answer to us is out."""
WITHOUT = 'capabilities = ["find_order", "update_order", "cancel_order", "stock_delta", "returns"]'
"""The south: all but `idempotent_create`."""
BUCKET = {"max": 20_000, "restore": 1_000}
"""A large shop's (Shopify Plus): a smaller one's budget is used up by orders at this rate, and all is waiting."""
PLENTY = 1_000_000
"""On every shelf: no order may wait for stock, a count finds a few units more or less."""
WEBHOOKS = {"duplicate": 0.3, "shuffle_seconds": 2.0, "late": 0.02, "late_seconds": 15, "loss": 0.05}
CALLBACKS = {
    "duplicate": 0.3,
    "shuffle_seconds": 2.0,
    "late": 0.02,
    "late_seconds": 15,
    "loss": 0.05,
    "spare": [DEAF],
}
"""A WMS that cannot be asked how an order stands must not lose a word of it."""
MAPPED_AFTER = 0.6
"""Share of the load after which staff map what is not mapped."""
SCHEDULED = ("fulfillment.backfill_all", "fulfillment.look_up_all", "inventory.reconcile_all")
"""What makes up for notices that were lost."""
QUIET_SECONDS, QUIET_PER_ORDER, AMENDS = 240.0, 0.5, 4
MOP_UP_SECONDS, MOP_UP_ROUND, BAIT_EVERY = 600.0, 45.0, 1.0


@dataclass
class Run:
    """What one run is made of."""

    stack: Stack
    servers: Servers
    sink: Sink
    orders: int
    rate: float
    seed: int
    began: float
    report: Report = field(init=False)
    next_bait: float = 0.0

    def __post_init__(self) -> None:
        self.report = Report(seed=self.seed, orders=self.orders, rate=self.rate)

    def carry_out(self, keep: Path | None) -> Report:
        """All of it; returns what is to be told. `keep`: a folder for books and tables."""
        meter, report = Meter(), self.report
        meter.start()
        novelties = self._prepare()
        report.seconds = {"start": time.monotonic() - self.began}
        seconds = self.orders / self.rate
        storm = Storm(self.stack, self.servers, forecast(seconds, seed=self.seed), seed=self.seed)
        customers = Customers(
            self.stack,
            novelties,
            wishes(self.orders, rate=self.rate, seed=self.seed),
            counts(seconds, orders=self.orders, seed=self.seed),
        )
        staff = Staff(self.stack, self.sink, novelties, map_after=seconds * MAPPED_AFTER)
        staff.start()
        with self._taking("storm"):
            self._storm(storm, customers, staff)
        quiet = Quiet(self.stack, staff, self.servers.urls.database_url)
        with self._taking("drain"):
            report.unfinished = quiet.wait(seconds=self.patience)
        with self._taking("judging"):
            report.verdict = self._judge(quiet, customers.made)
        staff.stop()
        report.faults = dict(storm.kinds() + staff.did)
        report.stumbled = [*customers.made.broken, *staff.broken, *self._unplaced(customers.made)]
        report.cpu = dict(meter.stop().most_common())
        self._describe(quiet, customers.made)
        if keep:
            keep_evidence(self.stack, self.servers.urls.database_url, keep)
        return report

    @property
    def patience(self) -> float:
        """Seconds after which a run that moves still has failed."""
        return QUIET_SECONDS + self.orders * QUIET_PER_ORDER

    @contextmanager
    def _taking(self, phase: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        took = time.monotonic() - began
        self.report.seconds = {**self.report.seconds, phase: took}
        _say(f"seed {self.seed}: {phase} took {took:.0f} s")

    def _prepare(self) -> Mapping[str, Product]:
        """No order waits for stock; the houses work by themselves; the south makes a second order of a repeated
        creation. Returns each shop's product that nobody has mapped."""
        self.stack.wms.post("/connections/south", {"idempotency": False})
        config = self.stack.files / "south.toml"
        text = world.config_toml(self.stack.wms.root)
        config.write_text(text.replace('slug = "south"\n', f'slug = "south"\n{WITHOUT}\n'))
        assert "1 updated" in (said := self.stack.command("load_config", str(config))), said
        people = People(self.stack)
        novelties = {shop.domain: people.novelty(shop) for shop in SHOPS}
        items = [*ITEMS, *(product.parts[0][0] for product in novelties.values())]
        for slug, auto in AUTO.items():
            self.stack.wms.post(f"/connections/{slug}", {"auto": auto})
        self.stack.stock_up(items, on_hand=PLENTY)
        return novelties

    def _storm(self, storm: Storm, customers: Customers, staff: Staff) -> None:
        """Load and faults together; then whatever kind of fault met nothing is made to, by orders more."""
        self.stack.shopify.post("/settings", {**WEBHOOKS, "seed": self.seed})
        self.stack.wms.post("/settings", {**CALLBACKS, "seed": self.seed})
        customers.start()
        storm.rage()
        customers.join()
        self.report.required = required(storm.faults)
        self._mop_up(storm, customers, staff)
        storm.end()
        self.stack.deliver(duplicate=0, shuffle_seconds=0, late=0, loss=0)

    def _mop_up(self, storm: Storm, customers: Customers, staff: Staff) -> None:
        deadline = time.monotonic() + MOP_UP_SECONDS

        def missing() -> frozenset[str]:
            self._bait(customers)
            seen = (storm.kinds() + staff.did).keys()
            sure_to_come = {NOT_THERE} if CAUSES[NOT_THERE] in seen else set()
            return required(storm.faults) - seen - sure_to_come

        while (kinds := missing()) and time.monotonic() < deadline:
            _say(f"seed {self.seed}: to be made up for: {', '.join(sorted(kinds))}")
            storm.make(kinds, missing=missing, patience=MOP_UP_ROUND)

    def _bait(self, customers: Customers) -> None:
        """An order and a count more, every second, so that armed faults meet calls."""
        if time.monotonic() < self.next_bait:
            return
        self.next_bait = time.monotonic() + BAIT_EVERY
        houses = [house for shop in SHOPS for house in shop.houses]
        customers.order(extra(self.report.extra))
        customers.count(Count(0.0, houses[self.report.extra % len(houses)], ITEMS[0], 1))
        self.report.extra += 1

    def _judge(self, quiet: Quiet, made: Placements) -> Verdict:
        """What the schedule would do within minutes, now; then the last look at the books."""
        connections.close_all()  # the storm may have broken them
        celery.loader.import_default_modules()
        for _ in range(AMENDS):
            _time_passes()
            for task in SCHEDULED:
                celery.tasks[task]()
            self.report.unfinished = quiet.wait(seconds=self.patience)
            checker = self.stack.checker()
            standing = Standing(checker, self.sink, by_identity(made.fates))
            verdict = judge(checker, standing.complaints())
            if verdict.clean:
                break
        self.report.lags = percentiles(lags(checker, _went_at_once(made)))
        return verdict

    def _unplaced(self, made: Placements) -> Iterator[str]:
        if len(made.fates) != (planned := self.orders + self.report.extra):
            yield f"{len(made.fates)} of {planned} orders were placed"

    def _describe(self, quiet: Quiet, made: Placements) -> None:
        self.report.notes = [
            f"{len(made.cancelled)} orders cancelled, {len(made.too_late)} too late; "
            f"customers at most {made.late:.1f} s behind their plan; {len(self.sink.told)} alerts told",
            *(f"left: {each}" for each in quiet.left_to_people()),
        ]
        if bugs := self.stack.programs.bugs():
            self.report.notes += [f"{len(bugs)} log lines of unexpected errors", *(b[:400] for b in bugs[:5])]


def _time_passes() -> None:
    """What is looked at after a quarter of an hour is due now: silent orders, and shipments that were not reported."""
    WmsOrder.objects.filter(look_up_at__isnull=False).update(look_up_at=Now())
    Job.objects.filter(kind__in=LOOKS_LATER, state=Job.State.READY).update(run_at=Now())


def _went_at_once(made: Placements) -> Mapping:
    return {placed: at for placed, at in made.since.items() if made.fates[placed] == Fate.SHIPS}


def _say(text: str) -> None:
    print(f"chaos: {text}", flush=True)
