"""One run: orders and faults come together, the run waits until the product is idle, and then compares the books."""

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
from tests.chaos.faults.fault_injector import FaultInjector
from tests.chaos.faults.fault_schedule import (
    CAUSES,
    NOT_THERE,
    WITHOUT_LOOK_UP,
    required_kinds,
    schedule_faults,
)
from tests.chaos.faults.servers import Servers
from tests.chaos.outcome.cpu_meter import CpuMeter
from tests.chaos.outcome.final_state import FinalState, by_identity
from tests.chaos.outcome.post_mortem import save_post_mortem
from tests.chaos.outcome.report import Report
from tests.chaos.outcome.verdict import Verdict, judge, lags, percentiles
from tests.chaos.outcome.wait_idle import LATE_CHECKS, IdleWatch
from tests.chaos.people.alert_receiver import AlertReceiver
from tests.chaos.people.customers import Customers, Placements
from tests.chaos.people.plans import Fate, PlannedCount, extra_order, plan_counts, plan_orders
from tests.chaos.people.staff import Staff
from tests.end_to_end.installation import world
from tests.end_to_end.installation.stack import Stack
from tests.end_to_end.installation.world import ITEMS, SHOPS, Product
from tests.end_to_end.people import People
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
"""Warehouses that work automatically. The south picks before we have its answer."""
WITHOUT = 'capabilities = ["find_order", "update_order", "cancel_order", "stock_delta", "returns"]'
"""The south has all capabilities but `idempotent_create`."""
BUCKET = {"max": 20_000, "restore": 1_000}
"""The budget of a large shop (Shopify Plus). Orders at this rate use up a smaller budget, and everything waits."""
PLENTY = 1_000_000
"""The units on every shelf. No order may wait for stock, and a count finds a few units more or less."""
WEBHOOKS = {"duplicate": 0.3, "shuffle_seconds": 2.0, "late": 0.02, "late_seconds": 15, "loss": 0.05}
CALLBACKS = {
    "duplicate": 0.3,
    "shuffle_seconds": 2.0,
    "late": 0.02,
    "late_seconds": 15,
    "loss": 0.05,
    "spare": [WITHOUT_LOOK_UP],
}
"""A WMS without a look-up must not lose callbacks, because nobody can ask it for the state of an order."""
MAPPED_AFTER = 0.6
"""The share of the load after which staff map what is not mapped."""
SCHEDULED = ("fulfillment.backfill_all", "fulfillment.look_up_all", "inventory.reconcile_all")
"""The scheduled tasks that replace webhooks and callbacks that were lost."""
IDLE_SECONDS, IDLE_SECONDS_PER_ORDER, CATCH_UP_ROUNDS = 240.0, 0.5, 4
MISSING_SECONDS, MISSING_ROUND_SECONDS, EXTRA_EVERY = 600.0, 45.0, 1.0


@dataclass
class Run:
    """One run and its report."""

    stack: Stack
    servers: Servers
    receiver: AlertReceiver
    orders: int
    rate: float
    seed: int
    began: float
    report: Report = field(init=False)
    next_extra: float = 0.0

    def __post_init__(self) -> None:
        self.report = Report(seed=self.seed, orders=self.orders, rate=self.rate)

    def carry_out(self, keep: Path | None) -> Report:
        """Carries out the whole run and returns its report. `keep` is a folder for books and tables."""
        meter, report = CpuMeter(), self.report
        meter.start()
        novelties = self._prepare()
        report.seconds = {"start": time.monotonic() - self.began}
        seconds = self.orders / self.rate
        injector = FaultInjector(
            self.stack, self.servers, schedule_faults(seconds, seed=self.seed), seed=self.seed
        )
        customers = Customers(
            self.stack,
            novelties,
            plan_orders(self.orders, rate=self.rate, seed=self.seed),
            plan_counts(seconds, orders=self.orders, seed=self.seed),
        )
        staff = Staff(self.stack, self.receiver, novelties, map_after=seconds * MAPPED_AFTER)
        staff.start()
        with self._timed("load"):
            self._load_and_faults(injector, customers, staff)
        idle_watch = IdleWatch(self.stack, staff, self.servers.urls.database_url)
        with self._timed("drain"):
            report.unfinished = idle_watch.wait_idle(seconds=self.patience)
        with self._timed("judging"):
            report.verdict = self._judge(idle_watch, customers.made)
        staff.stop()
        report.faults = dict(injector.count_by_kind() + staff.done)
        report.errors = [*customers.made.broken, *staff.broken, *self._unplaced(customers.made)]
        report.cpu = dict(meter.stop().most_common())
        self._describe(idle_watch, customers.made)
        if keep:
            save_post_mortem(self.stack, self.servers.urls.database_url, keep)
        return report

    @property
    def patience(self) -> float:
        """The seconds after which a run that is not idle has failed."""
        return IDLE_SECONDS + self.orders * IDLE_SECONDS_PER_ORDER

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        took = time.monotonic() - began
        self.report.seconds = {**self.report.seconds, phase: took}
        _print(f"seed {self.seed}: {phase} took {took:.0f} s")

    def _prepare(self) -> Mapping[str, Product]:
        """Prepares the warehouses, and returns the product of each shop that nobody has mapped.

        No order waits for stock, and the warehouses work automatically. In the south a repeated creation makes a
        second order.
        """
        self.stack.wms.post("/connections/south", {"idempotency": False})
        config = self.stack.files / "south.toml"
        text = world.config_toml(self.stack.wms.root)
        config.write_text(text.replace('slug = "south"\n', f'slug = "south"\n{WITHOUT}\n'))
        assert "1 updated" in (output := self.stack.command("load_config", str(config))), output
        people = People(self.stack)
        novelties = {shop.domain: people.novelty(shop) for shop in SHOPS}
        items = [*ITEMS, *(product.parts[0][0] for product in novelties.values())]
        for slug, auto in AUTO.items():
            self.stack.wms.post(f"/connections/{slug}", {"auto": auto})
        self.stack.stock_up(items, on_hand=PLENTY)
        return novelties

    def _load_and_faults(self, injector: FaultInjector, customers: Customers, staff: Staff) -> None:
        """Lets orders and faults come at the same time, and then injects the kinds of fault that met no call."""
        self.stack.shopify.post("/settings", {**WEBHOOKS, "seed": self.seed})
        self.stack.wms.post("/settings", {**CALLBACKS, "seed": self.seed})
        customers.start()
        injector.inject_all()
        customers.join()
        self.report.required = required_kinds(injector.faults)
        self._inject_missing(injector, customers, staff)
        injector.end()
        self.stack.deliver(duplicate=0, shuffle_seconds=0, late=0, loss=0)

    def _inject_missing(self, injector: FaultInjector, customers: Customers, staff: Staff) -> None:
        deadline = time.monotonic() + MISSING_SECONDS

        def missing() -> frozenset[str]:
            self._place_extra_order(customers)
            seen = (injector.count_by_kind() + staff.done).keys()
            sure_to_come = {NOT_THERE} if CAUSES[NOT_THERE] in seen else set()
            return required_kinds(injector.faults) - seen - sure_to_come

        while (kinds := missing()) and time.monotonic() < deadline:
            _print(f"seed {self.seed}: still missing: {', '.join(sorted(kinds))}")
            injector.inject_missing(kinds, missing=missing, patience=MISSING_ROUND_SECONDS)

    def _place_extra_order(self, customers: Customers) -> None:
        """Places one more order and counts one more shelf every second, so that armed faults meet calls."""
        if time.monotonic() < self.next_extra:
            return
        self.next_extra = time.monotonic() + EXTRA_EVERY
        houses = [house for shop in SHOPS for house in shop.houses]
        customers.order(extra_order(self.report.extra))
        customers.count(PlannedCount(0.0, houses[self.report.extra % len(houses)], ITEMS[0], 1))
        self.report.extra += 1

    def _judge(self, idle_watch: IdleWatch, made: Placements) -> Verdict:
        """Runs what the schedule would run within minutes, and then judges the books."""
        connections.close_all()  # the faults may have broken them
        celery.loader.import_default_modules()
        for _ in range(CATCH_UP_ROUNDS):
            _make_late_checks_due()
            for task in SCHEDULED:
                celery.tasks[task]()
            self.report.unfinished = idle_watch.wait_idle(seconds=self.patience)
            checker = self.stack.checker()
            final_state = FinalState(checker, self.receiver, by_identity(made.fates))
            verdict = judge(checker, final_state.complaints())
            if verdict.clean:
                break
        self.report.lags = percentiles(lags(checker, _shipping_at_once(made)))
        return verdict

    def _unplaced(self, made: Placements) -> Iterator[str]:
        if len(made.fates) != (planned := self.orders + self.report.extra):
            yield f"{len(made.fates)} of {planned} orders were placed"

    def _describe(self, idle_watch: IdleWatch, made: Placements) -> None:
        self.report.notes = [
            f"{len(made.cancelled)} orders cancelled, {len(made.too_late)} too late; "
            f"customers at most {made.late:.1f} s behind their plan; {len(self.receiver.alerts)} alerts received",
            *(f"left: {each}" for each in idle_watch.left_to_staff()),
        ]
        if bugs := self.stack.programs.bugs():
            self.report.notes += [f"{len(bugs)} log lines of unexpected errors", *(b[:400] for b in bugs[:5])]


def _make_late_checks_due() -> None:
    """Makes the checks due that come after a quarter of an hour: of silent orders and of unreported shipments."""
    WmsOrder.objects.filter(look_up_at__isnull=False).update(look_up_at=Now())
    Job.objects.filter(kind__in=LATE_CHECKS, state=Job.State.READY).update(run_at=Now())


def _shipping_at_once(made: Placements) -> Mapping:
    return {placed: at for placed, at in made.since.items() if made.fates[placed] == Fate.SHIPS}


def _print(text: str) -> None:
    print(f"chaos: {text}", flush=True)
