"""A batch: a stage, some hundred requests at the doors, and all the jobs that they make, judged.

A batch is the same whenever it is played: its chance comes from the seed and its number alone.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import random
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from celery import current_app
from django.contrib.admin import site
from django.contrib.auth.models import User
from django.core.signals import got_request_exception
from django.db import connections
from django.db.models import F, Sum
from django.db.models.functions import Coalesce, Now
from django.test import Client
from django.urls import reverse

from inventory.models import StockLevel
from ops.errors import JobError
from ops.models import Job, Lane
from ops.queue import lanes
from ops.workers import leases, runner
from shops.budget import points
from shops.models import Shop
from skumap import jobs as skumap_jobs
from tests.drain import BACKOFF, due_lanes, load_tasks, run_next
from tests.fuzz import stage
from tests.fuzz.bodies import Delivery, delivery
from tests.fuzz.far_ends import FarEnds
from wmsbridge import asgi

SIZE = 400
LONGEST_SECONDS = 2.0
"""Of this process's own time for one request, or for one run of a job."""
SHARE_SPOILT = 0.2
LOOKED_AT = 10
"""Of so many batches one is looked at in the console: what was stored must be shown."""
ROUNDS = 2
"""How often waits are over: a first run and a retry."""
OURS = ("ops", "shops", "wms", "skumap", "inventory", "fulfillment")
NEWEST = 5
TICKS = (
    *(
        "fulfillment.backfill_all",
        "fulfillment.look_up_all",
        "inventory.reconcile_all",
        "inventory.compare_all",
    ),
    *("shops.check_subscriptions_all", "ops.recheck_parked", "fulfillment.erase_personal_data"),
    "wmsbridge.measure_health",
)


@dataclass(frozen=True)
class Finding:
    """Something that must not be."""

    what: str
    told: str


@dataclass
class Played:
    """What a batch came to."""

    seed: int
    number: int
    deliveries: list[Delivery] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    runs: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    calls: int = 0
    stored: int = 0

    def note(self, what: str, told: str = "") -> None:
        """Add a finding."""
        self.findings.append(Finding(what, told))

    def write(self, folder: Path) -> Path:
        """Leave a file that says what was found, and each request as it was sent."""
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"seed-{self.seed}-batch-{self.number}.json"
        sent = [
            {
                "path": each.path,
                "headers": [
                    [name.decode("latin-1"), value.decode("latin-1")] for name, value in each.headers
                ],
                "body": base64.b64encode(each.body).decode(),
            }
            for each in self.deliveries
        ]
        found = [{"what": each.what, "told": each.told} for each in self.findings]
        file.write_text(json.dumps({"findings": found, "deliveries": sent}, indent=1))
        return file


def play(seed: int, number: int, *, size: int = SIZE) -> Played:
    """Play one batch on emptied tables."""
    chance = random.Random(f"{seed}:{number}")
    played = Played(seed, number)
    actors = stage.build()
    played.deliveries = [delivery(actors, chance, name=f"{number}-{index}") for index in range(size)]
    far_ends = FarEnds(chance, share=SHARE_SPOILT)
    with _watched(played), far_ends.online():
        for each in played.deliveries:
            _deliver(each, played)
        played.stored = Job.objects.count()
        _tick()
        for _ in range(ROUNDS):
            _work(played)
            _waits_pass()
    played.calls = far_ends.calls
    _judge_rows(played)
    if number % LOOKED_AT == 0:
        _look_at_pages(played)
    return played


# The doors


@contextmanager
def open_doors(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The web front with one thread: it has a connection to the database of its own, which is closed at the end."""
    with ThreadPoolExecutor(1) as thread:
        for desk in asgi.application._pools:
            monkeypatch.setitem(desk.__dict__, "pool", thread)
        try:
            yield
        finally:
            thread.submit(connections.close_all).result()


def _deliver(sent: Delivery, played: Played) -> None:
    began = time.process_time()
    answers: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": sent.body, "more_body": False}

    async def send(message: Any) -> None:
        answers.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": sent.path,
        "query_string": b"",
        "headers": sent.headers,
    }
    try:
        asyncio.run(asgi.application(scope, receive, send))
        status = answers[0]["status"]
    except Exception:  # noqa: BLE001
        played.note("the front broke", traceback.format_exc())
        return
    played.statuses[status] += 1
    if status >= 500:
        played.note(f"a door answered {status}", repr((sent.path, sent.headers, sent.body[:300])))
    _within_time(began, f"request to {sent.path}", played)


def _within_time(began: float, what: str, played: Played) -> None:
    took = time.process_time() - began
    if took > LONGEST_SECONDS:
        played.note(f"{what} took {took:.1f} s")


# The jobs


@contextmanager
def _watched(played: Played) -> Iterator[None]:
    """Whatever is no error of ours is a finding; so is a database that refuses a statement."""
    translate = runner._translate

    def look(raised: Exception) -> Exception:
        if not isinstance(raised, JobError | leases.LeaseLost):
            played.note(_place(raised), "".join(traceback.format_exception(raised)))
        return translate(raised)

    def broken(**_: Any) -> None:
        played.note("a view broke", traceback.format_exc())

    got_request_exception.connect(broken)
    try:
        with (
            mock.patch.object(runner, "_translate", look),
            mock.patch.object(points, "LONGEST_WAITS", 0.0),
        ):
            yield
    finally:
        got_request_exception.disconnect(broken)


def _place(raised: Exception) -> str:
    """The error and the last place of ours in its traceback: one name for one fault."""
    frames = [
        each for each in traceback.extract_tb(raised.__traceback__) if "site-packages" not in each.filename
    ]
    last = frames[-1]
    return f"{type(raised).__name__} in {Path(last.filename).name}:{last.lineno} {last.name}"


def _tick() -> None:
    """What beat does, once: the readings of lists, stock, subscriptions and old work."""
    load_tasks()
    for name in TICKS:
        current_app.tasks[name]()
    for shop in Shop.objects.all():
        skumap_jobs.verify_all(shop)


def _work(played: Played) -> None:
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(lanes, "_send"))
        stack.enter_context(mock.patch.object(leases, "backoff", return_value=BACKOFF))
        for count in itertools.count():
            if not (due := due_lanes()):
                return
            if count > 50 * SIZE:
                played.note("the jobs never end", str(played.runs))
                return
            for lane in due:
                began = time.process_time()
                if kind := run_next(lane):
                    played.runs[kind] += 1
                    _within_time(began, f"run of {kind}", played)


def _waits_pass() -> None:
    Job.objects.filter(state=Job.State.READY).update(run_at=Now() - timedelta(seconds=1), parked_on=[])
    Lane.objects.update(
        circuit="closed",
        open_until=None,
        failures=0,
        recovering=None,
        throttled_until=None,
        throttled_priority=None,
    )


def _judge_rows(played: Played) -> None:
    held = Coalesce(Sum("reservations__quantity", filter=stage.HELD), 0)
    wrong = StockLevel.objects.annotate(held=held).exclude(reserved=F("held"))
    for level in wrong:
        played.note("a level's promises do not add up", f"{level}: {level.reserved}, {level.held}")
    stuck = Job.objects.filter(state=Job.State.RUNNING).values_list("kind", flat=True)
    if stuck:
        played.note("jobs that nobody runs are running", ", ".join(stuck))


def _look_at_pages(played: Played) -> None:
    """Every list of the console, and its newest things."""
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.get(username="ada"))
    for model in (each for each in site._registry if each._meta.app_label in OURS):
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        newest = model._default_manager.order_by("-pk")[:NEWEST]
        pages = [
            reverse(f"{name}_changelist"),
            *(reverse(f"{name}_change", args=[each.pk]) for each in newest),
        ]
        for page in pages:
            answer = client.get(page, headers={"host": "testserver"}, secure=True)
            if answer.status_code not in (200, 302):
                played.note(f"{name} answered {answer.status_code}", f"{page}\n{answer.content[:2000]!r}")
