"""What runs on a schedule: made once, changed by staff, taken up by beat, and told when it does not run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from celery import signals
from django.contrib.auth.models import Permission, User
from django.core import mail
from django.core.management import call_command
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from ops.models import Alert, ScheduledRun
from ops.queue.queues import Queue
from tests.drain import drain
from tests.end_to_end.installation.waiting import until
from wmsbridge.celery import app
from wmsbridge.monitoring.workers import send_watch
from wmsbridge.schedules import rows, watch
from wmsbridge.schedules.defaults import SCHEDULES
from wmsbridge.schedules.scheduler import AGAIN_SECONDS, ALIVE, Scheduler
from wmsbridge.tasks import watch_schedules

pytestmark = pytest.mark.django_db

DELTA = "inventory.reconcile_all"
PAGES = "/admin/django_celery_beat/periodictask/"


def page(name: str = DELTA) -> str:
    return f"{PAGES}{PeriodicTask.objects.get(name=name).pk}/change/"


def change(client: Client, every: int, unit: str, name: str = DELTA, *, on: bool = True) -> str:
    form: dict[str, Any] = {"every": every, "unit": unit} | ({"enabled": "on"} if on else {})
    return client.post(page(name), form, follow=True).content.decode()


def ran(name: str, ago: timedelta) -> None:
    moment = timezone.now() - ago
    ScheduledRun.objects.filter(task=name).update(ran_at=moment, expected_since=moment - timedelta(days=9))


@pytest.fixture
def all_ran() -> None:
    app.loader.import_default_modules()
    for name in SCHEDULES:
        ran(name, timedelta(seconds=1))


@pytest.fixture
def beat(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Scheduler]:
    """Starts a scheduler in this process, which shares the test's connection and its transaction."""
    monkeypatch.setattr("django_celery_beat.schedulers.close_old_connections", lambda: None)
    monkeypatch.setattr(
        "django_celery_beat.schedulers.Finalize", lambda *_, **__: None
    )  # the process goes on
    return lambda: Scheduler(app=app, lazy=False)


def test_migrate_makes_each_default_once_the_quarter_of_an_hour_for_stock_among_them() -> None:
    made = {row.name: rows.seconds_of(row) for row in PeriodicTask.objects.all()}
    assert made == {name: schedule.seconds for name, schedule in SCHEDULES.items()}
    assert rows.every(DELTA) == timedelta(minutes=15)


def test_what_staff_changed_survives_the_next_migrate(admin_client: Client) -> None:
    change(admin_client, 20, "minutes")
    change(admin_client, 1, "days", "inventory.compare_all", on=False)
    PeriodicTask.objects.get(name="ops.prune").delete()
    call_command("migrate", verbosity=0)
    assert rows.every(DELTA) == timedelta(minutes=20)
    assert not PeriodicTask.objects.get(name="inventory.compare_all").enabled
    assert PeriodicTask.objects.get(name="ops.prune").enabled


def test_beat_starts_with_what_staff_set_and_writes_nothing_over(
    admin_client: Client, beat: Callable[[], Scheduler]
) -> None:
    change(admin_client, 20, "minutes")
    change(admin_client, 10, "minutes", "ops.prune", on=False)
    PeriodicTask.objects.create(name="of.an.older.version", task="gone", interval=rows.interval_of(2))
    scheduled = beat().schedule
    assert scheduled[DELTA].schedule.run_every == timedelta(minutes=20)
    assert scheduled[DELTA].options == {"queue": "maintenance", "expires": 1200} | {
        "headers": {"periodic_task_name": DELTA}
    }
    assert set(scheduled) == set(SCHEDULES) - {"ops.prune"}
    assert rows.every(DELTA) == timedelta(minutes=20)


def test_a_change_of_one_schedule_leaves_others_of_the_same_interval(admin_client: Client) -> None:
    change(admin_client, 2, "minutes", "ops.prune")
    assert rows.every("fulfillment.erase_personal_data") == timedelta(minutes=10)
    change(admin_client, 10, "minutes", "ops.prune")
    assert IntervalSchedule.objects.filter(every=10, period="minutes").count() == 1


@pytest.mark.parametrize(
    ("name", "every", "unit"), [("ops.sweep", 1, "days"), (DELTA, 1, "seconds"), (DELTA, 2, "days")]
)
def test_an_interval_that_does_harm_is_refused_with_its_bounds(
    admin_client: Client, name: str, every: int, unit: str
) -> None:
    text = change(admin_client, every, unit, name)
    assert "From 1 " in text
    assert "1 days" not in text
    assert rows.every(name) == timedelta(seconds=SCHEDULES[name].seconds)


@pytest.mark.parametrize("every", ["", "-1", "0", "1e9", "abc", "99999999999999999999"])
def test_nonsense_is_refused_without_an_error_page(admin_client: Client, every: str) -> None:
    answer = admin_client.post(page(), {"every": every, "unit": "minutes", "enabled": "on"})
    assert answer.status_code == 200
    assert rows.every(DELTA) == timedelta(minutes=15)


def test_a_viewer_sees_schedules_and_changes_none(client: Client) -> None:
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_periodictask"))
    client.force_login(viewer)
    assert "read the stock that changed at each WMS" in client.get(page()).content.decode()
    assert client.post(page(), {"every": 1, "unit": "hours"}).status_code == 403
    assert rows.every(DELTA) == timedelta(minutes=15)


def test_nobody_adds_or_deletes_one(admin_client: Client) -> None:
    assert admin_client.get(f"{PAGES}add/").status_code == 403
    assert admin_client.post(page().replace("change", "delete"), {"post": "yes"}).status_code == 403


def test_a_clock_that_was_ahead_keeps_no_schedule_silent(beat: Callable[[], Scheduler]) -> None:
    PeriodicTask.objects.filter(name="ops.sweep").update(last_run_at=timezone.now() + timedelta(days=2))
    assert beat().schedule["ops.sweep"].last_run_at <= timezone.now()


def test_what_beat_notes_undoes_no_change_that_staff_make_just_then(
    admin_client: Client, beat: Callable[[], Scheduler]
) -> None:
    scheduler = beat()
    entry = scheduler.reserve(scheduler.schedule[DELTA])
    scheduler.schedule[DELTA] = entry
    change(admin_client, 20, "minutes", on=False)
    scheduler.sync()
    row = PeriodicTask.objects.get(name=DELTA)
    assert (rows.seconds_of(row), row.enabled, row.total_run_count) == (1200, False, 1)


def test_beat_outlives_an_outage_of_the_database(
    monkeypatch: pytest.MonkeyPatch, beat: Callable[[], Scheduler]
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(Scheduler, "apply_entry", lambda _, entry, **__: sent.append(entry.name))
    monkeypatch.setattr("wmsbridge.schedules.scheduler.connections.close_all", lambda: None)
    scheduler = beat()
    with monkeypatch.context() as away:
        away.setattr(Scheduler, "enabled_models_qs", Mock(side_effect=OperationalError("gone")))
        assert scheduler.tick() == AGAIN_SECONDS
    PeriodicTask.objects.filter(name=DELTA).update(last_run_at=timezone.now() - timedelta(days=1))
    until(lambda: scheduler.tick() is not None and DELTA in sent, what="the delta", seconds=10)


def test_each_look_at_the_clock_shows_that_beat_is_alive(
    monkeypatch: pytest.MonkeyPatch, beat: Callable[[], Scheduler]
) -> None:
    monkeypatch.setattr(Scheduler, "apply_entry", lambda *_, **__: None)
    before = timezone.now() - timedelta(seconds=1)
    beat().tick()
    assert ALIVE.stat().st_mtime > before.timestamp()


@pytest.mark.usefixtures("all_ran")
def test_a_schedule_that_did_not_run_is_told_and_closes_with_its_next_run() -> None:
    ran(DELTA, timedelta(minutes=24))
    watch_schedules()
    watch_schedules()
    alert = Alert.objects.get(kind="schedule_late")
    assert alert.title == f"Scheduled work did not run: {DELTA}"
    assert f"{DELTA} runs every 15 minutes and last ran at" in alert.meaning
    assert "Shopify may sell what is not there" in alert.meaning
    assert (alert.severity, alert.count) == ("critical", 1)
    drain()
    assert [message.subject for message in mail.outbox] == [f"[wmsbridge] critical: {alert.title}"]
    signals.task_success.send(sender=app.tasks[DELTA], result=None)
    watch_schedules()
    alert.refresh_from_db()
    assert alert.state == "closed"


@pytest.mark.usefixtures("all_ran")
@pytest.mark.parametrize(
    ("name", "ago", "late"),
    [
        ("ops.sweep", timedelta(seconds=50), False),
        ("ops.sweep", timedelta(seconds=70), True),
        (DELTA, timedelta(minutes=22), False),
        ("inventory.compare_all", timedelta(hours=24, minutes=50), False),
        ("inventory.compare_all", timedelta(hours=25, minutes=10), True),
    ],
)
def test_late_is_half_an_interval_but_a_minute_at_least_and_an_hour_at_most(
    name: str, ago: timedelta, late: bool
) -> None:
    ran(name, ago)
    assert watch.update_alerts() == ([name] if late else [])


def test_when_nothing_runs_beat_is_named() -> None:
    for name in SCHEDULES:
        ran(name, timedelta(days=30, hours=2))
    watch.update_alerts()
    alert = Alert.objects.get(kind="schedule_late")
    assert alert.title == "No scheduled work runs"
    assert "Start beat again" in alert.action


@pytest.mark.usefixtures("all_ran")
def test_what_staff_switch_off_is_told_until_it_is_on_again(admin_client: Client) -> None:
    change(admin_client, 15, "minutes", on=False)
    watch.update_alerts()
    alert = Alert.objects.get(kind="schedule_off")
    assert alert.title == f"Switched off: {DELTA}"
    assert not Alert.objects.filter(kind="schedule_late").exists()
    change(admin_client, 15, "minutes")
    assert watch.update_alerts() == []  # it is not late because it was off
    alert.refresh_from_db()
    assert alert.state == "closed"


@pytest.mark.usefixtures("all_ran")
def test_a_longer_interval_is_waited_for(admin_client: Client) -> None:
    ran(DELTA, timedelta(minutes=21))
    change(admin_client, 5, "minutes")
    assert watch.update_alerts() == []


def test_a_run_that_fails_is_no_run(all_ran: None) -> None:
    ran("ops.prune", timedelta(hours=1))
    signals.task_failure.send(sender=app.tasks["ops.prune"], exception=ValueError(), args=())
    assert watch.update_alerts() == ["ops.prune"]


def test_a_run_is_noted_at_most_every_ten_seconds() -> None:
    def noted() -> datetime:
        return ScheduledRun.objects.get(task="ops.sweep", ran_at__isnull=False).ran_at or timezone.now()

    watch.note_run("ops.sweep")
    first = noted()
    watch.note_run("ops.sweep")
    assert noted() == first
    ran("ops.sweep", timedelta(seconds=11))
    before = noted()
    watch.note_run("ops.sweep")
    assert noted() > before


def test_each_queue_looks_at_the_schedules_once_a_minute_since_one_may_stand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Worker:
        app, hostname = app, "w1@test"

    sent: list[tuple[str, str]] = []
    monkeypatch.setattr(app, "send_task", lambda name, *, queue, **_: sent.append((name, queue)))
    send_watch(Worker())
    send_watch(Worker())
    assert sorted(sent) == [("wmsbridge.watch_schedules", queue) for queue in sorted(Queue)]


@pytest.mark.usefixtures("all_ran")
def test_looking_takes_five_statements(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(5):
        watch.update_alerts()
