"""Staff's view of jobs, lanes and alerts: what they see, what they may do, and what nobody may."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from ops.admin import jobs as job_page
from ops.models import Alert, Job, JobAttempt, Lane
from ops.queue import dead_letters, lanes
from ops.refs import Subject
from tests.builders import make_dead_letter, make_job

pytestmark = pytest.mark.django_db

JOBS = "/admin/ops/job/"
ADDRESS = {"name": "Ada Lovelace", "address1": "Main Street 1", "zip": "10115"}


def act(client: Client, address: str, action: str, *chosen: Any) -> Any:
    data = {"action": action, "_selected_action": [each.pk for each in chosen]}
    return client.post(address, data, follow=True)


def park(job: Job, key: str) -> None:
    Job.objects.filter(id=job.id).update(
        parked_on=[key], parked_since=timezone.now(), run_at=timezone.now() + timedelta(minutes=15)
    )


@pytest.mark.parametrize("situation", ["dead", "due", "parked", "again", "running", "done"])
def test_each_situation_has_its_list(admin_client: Client, situation: str) -> None:
    dead, due, parked = make_dead_letter(key="k-dead"), make_job(key="k-due"), make_job(key="k-parked")
    park(parked, "sku:1:2")
    text = admin_client.get(f"{JOBS}?situation={situation}").content.decode()
    shown = {job.id for job in (dead, due, parked) if f"{JOBS}{job.id}/change/" in text}
    assert shown == {"dead": {dead.id}, "due": {due.id}, "parked": {parked.id}}.get(situation, set())


@pytest.mark.parametrize(
    "asked",
    [
        "ops/job/?kind=a%00b",
        "ops/job/?situation=dead%00",
        "fulfillment/order/?state__exact=%00",
        "ops/lane/?q=a%00",
    ],
)
def test_a_filter_that_postgres_cannot_look_for_breaks_no_list(admin_client: Client, asked: str) -> None:
    assert admin_client.get(f"/admin/{asked}", follow=True).status_code == 200


def test_an_action_on_rows_that_nothing_can_be_called_is_refused(admin_client: Client) -> None:
    data = {"action": "pause", "_selected_action": ["wms:\x00"]}
    assert admin_client.post("/admin/ops/lane/", data).status_code == 400


def test_a_job_is_found_by_key_and_by_subject(admin_client: Client) -> None:
    job = make_job(key="shopify:berlin:w1", subject="order:1:5000000000001")
    make_job(key="shopify:paris:w2", subject="order:2:7")
    for words in ("shopify:berlin:w1", "order:1:5000000000001"):
        text = admin_client.get(JOBS, {"q": words}).content.decode()
        assert text.count("/change/?") + text.count('/change/"') >= 1
        assert f"{JOBS}{job.id}/change/" in text
        assert "shopify:paris" not in text


def test_the_list_reads_no_payload_and_counts_nothing(
    admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    for _ in range(30):
        make_job(payload={"body": "x" * 1000})
    with django_assert_max_num_queries(10) as captured:
        admin_client.get(JOBS)
    statements = [each["sql"] for each in captured.captured_queries]
    assert not any('"ops_job"."payload"' in each for each in statements)
    assert not any(each.startswith("SELECT COUNT(*)") and "LIMIT" not in each for each in statements)


def test_a_job_shows_its_history_and_hides_the_person(admin_client: Client) -> None:
    job = make_dead_letter(payload={"body": {"id": 5, "shipping_address": ADDRESS, "email": "a@b.example"}})
    text = admin_client.get(f"{JOBS}{job.id}/change/").content.decode()
    assert "failed for good" in text
    assert "unknown item" in text
    assert "•••" in text
    for secret in ("Lovelace", "Main Street", "10115", "a@b.example"):
        assert secret not in text


def test_replay_makes_dead_letters_due_and_leaves_a_log_entry(admin_client: Client) -> None:
    dead, due = make_dead_letter(), make_job(attempts=3)
    answer = act(admin_client, JOBS, "replay", dead, due)
    assert "1 dead letters replayed." in answer.content.decode()
    dead.refresh_from_db()
    due.refresh_from_db()
    assert (dead.state, dead.attempts, due.attempts) == ("ready", 0, 3)
    assert [entry.object_id for entry in LogEntry.objects.all()] == [str(dead.id)]


def test_wake_makes_parked_jobs_due(admin_client: Client) -> None:
    job = make_job()
    park(job, "sku:1:2")
    act(admin_client, JOBS, "wake_parked", job)
    job.refresh_from_db()
    assert job.parked_on == []


def test_who_may_only_look_cannot_replay(client: Client) -> None:
    looker = User.objects.create_user("looker", password="x", is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_job"))
    client.force_login(looker)
    dead = make_dead_letter()
    act(client, JOBS, "replay", dead)
    dead.refresh_from_db()
    assert dead.state == "dead"


@pytest.mark.parametrize("address", ["add/", "{}/delete/"])
def test_nobody_adds_or_deletes_jobs(admin_client: Client, address: str) -> None:
    job = make_dead_letter()
    assert admin_client.get(JOBS + address.format(job.id)).status_code == 403
    assert admin_client.post(f"{JOBS}{job.id}/change/", {"state": "done"}).status_code == 403
    assert Job.objects.get().state == "dead"


def test_a_lane_is_paused_without_touching_its_circuit(admin_client: Client) -> None:
    make_job()
    page = "/admin/ops/lane/wms_3Anorth/change/"
    assert admin_client.get(page).status_code == 200
    until = timezone.now() + timedelta(minutes=1)
    Lane.objects.update(circuit="open", open_until=until, failures=7)
    admin_client.post(page, {"concurrency": 2, "paused": "on", "circuit": "closed", "failures": 0})
    lane = Lane.objects.get()
    assert (lane.paused, lane.concurrency, lane.circuit, lane.failures) == (True, 2, "open", 7)


def test_workers_are_told_of_a_lane_that_goes_on(
    admin_client: Client, django_capture_on_commit_callbacks: Any
) -> None:
    job = make_job()
    Lane.objects.update(paused=True)
    with mock.patch.object(lanes, "send_wakeup") as told, django_capture_on_commit_callbacks(execute=True):
        admin_client.post("/admin/ops/lane/wms_3Anorth/change/", {"concurrency": 4})
    told.assert_called_once_with("wms:north", job.kind)


def test_lanes_show_their_depth_in_constant_statements(
    admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        make_job(lane=f"wms:w{number}")
        make_dead_letter(lane=f"wms:w{number}")
    with django_assert_max_num_queries(12):
        text = admin_client.get("/admin/ops/lane/").content.decode()
    assert "wms:w19" in text


def test_an_alert_is_closed_by_a_person(admin_client: Client) -> None:
    values = {"title": "t", "meaning": "m", "action": "a"}
    alert = Alert.objects.create(kind="unmapped_sku", subject=Subject("sku:berlin:1"), **values)
    other = Alert.objects.create(kind="unmapped_sku", subject=Subject("sku:berlin:2"), **values)
    act(admin_client, "/admin/ops/alert/", "close", alert)
    alert.refresh_from_db()
    other.refresh_from_db()
    assert (alert.state, other.state) == ("closed", "open")
    assert LogEntry.objects.get().change_message == "Closed."


def test_discard_ends_what_is_dead_or_parked_and_nothing_else(admin_client: Client) -> None:
    dead, waiting = make_dead_letter(), make_job()
    parked = make_job(parked_on=["sku:1:2"], parked_since=timezone.now())
    chosen = [dead.pk, waiting.pk, parked.pk]
    said = {"action": "discard", "_selected_action": chosen}
    assert "A discarded job cannot be brought back" in admin_client.post(JOBS, said).content.decode()
    assert {*Job.objects.values_list("state", flat=True)} == {"dead", "ready"}
    admin_client.post(JOBS, {**said, "sure": "1"})
    states = dict(Job.objects.values_list("pk", "state"))
    assert [states[pk] for pk in chosen] == ["done", "ready", "done"]


def test_a_dead_letter_s_page_says_why_what_was_tried_and_by_whom(admin_client: Client) -> None:
    job = make_dead_letter("wms.shipment", error="trackingNumber: missing, call 0170 1234567")
    began = timezone.now() - timedelta(seconds=90)
    JobAttempt.objects.update(started_at=began, ended_at=began + timedelta(seconds=12.5))
    act(admin_client, JOBS, "replay", job)
    Job.objects.update(state="dead", finished_at=timezone.now())
    text = admin_client.get(f"{JOBS}{job.id}/change/").content.decode()
    for told in (
        "Its work is to book a shipment",
        "Have the vendor correct",
        "12.5 s",
        "Replayed",
        "by admin",
    ):
        assert told in text
    assert "1234567" not in text


def test_a_button_on_the_page_replays_and_stays_there(admin_client: Client) -> None:
    job = make_dead_letter()
    data = {"action": "replay", "_selected_action": job.pk, "page": job.pk}
    assert admin_client.post(JOBS, data).headers["Location"] == f"{JOBS}{job.pk}/change/"
    job.refresh_from_db()
    assert job.state == "ready"


@pytest.mark.parametrize(
    ("query", "meant"),
    [
        ("error=Permanent", {"refused"}),
        ("error=bug", {"bug"}),
        ("since=older", {"bug"}),
        ("since=hour", {"refused", "slow"}),
        ("lane__name__exact=wms:south", {"slow"}),
        ("kind=inventory.push", {"slow"}),
    ],
)
def test_dead_letters_are_filtered(admin_client: Client, query: str, meant: set[str]) -> None:
    rows = {
        "refused": make_dead_letter(),
        "bug": make_dead_letter(error_class="KeyError"),
        "slow": make_dead_letter("inventory.push", "wms:south", error_class="Transient"),
    }
    Job.objects.filter(id=rows["bug"].id).update(finished_at=timezone.now() - timedelta(days=8))
    text = admin_client.get(f"{JOBS}?situation=dead&{query}").content.decode()
    assert {name for name, row in rows.items() if f"{JOBS}{row.id}/change/" in text} == meant
    assert f"{len(meant)} dead letter{'s' if len(meant) > 1 else ''} match" in text


@pytest.mark.parametrize("query", ["kind=no.such", "since=ages", "error=Nonsense", "situation=ded"])
def test_a_mistyped_filter_chooses_nothing(admin_client: Client, query: str) -> None:
    row = make_dead_letter()
    text = admin_client.get(f"{JOBS}?situation=dead&{query}").content.decode()
    assert f"{JOBS}{row.id}/change/" not in text


def test_a_process_that_ran_no_job_yet_knows_every_kind() -> None:
    asked = "from ops.console.list_filters import KindFilter; print(KindFilter.lookups(None, None, None))"
    done = subprocess.run(
        [sys.executable, "-c", f"import django; django.setup(); {asked}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "fulfillment.submit" in done.stdout


def test_all_that_match_are_replayed_and_nothing_else(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "BATCH", 7)
    monkeypatch.setattr(job_page.JobAdmin, "list_per_page", 5)
    for _ in range(20):
        make_dead_letter()
    other = make_dead_letter("inventory.push")
    query = f"{JOBS}?situation=dead&kind=fulfillment.submit"
    said = {"action": "replay", "select_across": "1", "_selected_action": "0"}
    assert "20 dead letters replayed." in admin_client.post(query, said, follow=True).content.decode()
    assert Job.objects.get(state="dead") == other
    assert LogEntry.objects.count() == 20


def test_a_request_ends_in_time_and_says_that_there_is_more(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "BATCH", 2)
    monkeypatch.setattr(job_page, "SECONDS_OF_A_REQUEST", 0.0)
    for _ in range(5):
        make_dead_letter()
    said = {"action": "replay", "select_across": "1", "_selected_action": "0"}
    text = admin_client.post(f"{JOBS}?situation=dead", said, follow=True).content.decode()
    assert "2 dead letters replayed." in text
    assert "There are more" in text


def test_parked_jobs_are_listed_by_their_cause(admin_client: Client) -> None:
    mapping, stock = make_job(key="a"), make_job(key="b")
    park(mapping, "sku:1:2")
    park(stock, "stock:1:MUG")
    text = admin_client.get(f"{JOBS}?situation=parked&cause=sku").content.decode()
    assert f"{JOBS}{mapping.id}/change/" in text
    assert f"{JOBS}{stock.id}/change/" not in text


def test_a_read_only_page_says_what_its_fields_mean(admin_client: Client) -> None:
    text = admin_client.get(f"{JOBS}{make_dead_letter().id}/change/").content.decode()
    assert "The job waits in this lane, the queue of one endpoint." in text
    assert "The job may run from this time on." in text
