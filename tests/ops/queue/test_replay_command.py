"""`manage.py replay`: lists, selects, replays."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from ops.models import Job
from ops.queue import dead_letters
from tests.builders import make_dead_letter, make_job

pytestmark = pytest.mark.django_db


def replay(*arguments: str) -> str:
    out = StringIO()
    call_command("replay", *arguments, stdout=out)
    return out.getvalue()


def dead() -> int:
    return Job.objects.filter(state="dead").count()


def test_without_a_selection_it_lists_and_changes_nothing() -> None:
    job = make_dead_letter(subject="order:1:5")
    make_job()
    text = replay()
    assert f"{job.id}\t" in text
    assert "Permanent: unknown item" in text
    assert "1 dead letters" in text
    assert dead() == 1


def test_a_dry_run_changes_nothing() -> None:
    make_dead_letter()
    replay("--all", "--dry-run")
    assert dead() == 1


def test_kind_and_lane_narrow_the_selection() -> None:
    make_dead_letter("fulfillment.submit", "wms:north")
    make_dead_letter("fulfillment.submit", "wms:south")
    make_dead_letter("inventory.push", "wms:north")
    assert "1 dead letters are due again" in replay("--kind", "fulfillment.submit", "--lane", "wms:north")
    assert dead() == 2


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (("--kind", "fulfilment.submit"), "no job kind fulfilment.submit; did you mean fulfillment.submit"),
        (("--kind", "zzz"), "there are: .*fulfillment.submit"),
        (("--lane", "wms:nord"), "no lane wms:nord; did you mean wms:north"),
        (("--error-class", "permanent"), "no dead letter has the error class permanent"),
        (("--subject", "order:9:"), "no dead letter is about order:9:"),
    ],
)
@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_a_condition_that_names_what_there_is_not_is_an_error(
    condition: tuple[str, ...], message: str, more: tuple[str, ...]
) -> None:
    make_dead_letter("fulfillment.submit", "wms:north", subject="order:1:5")
    with pytest.raises(CommandError, match=message):
        replay(*condition, *more)
    assert dead() == 1


def test_a_known_kind_of_which_nothing_is_dead_is_no_error() -> None:
    make_dead_letter("fulfillment.submit")
    assert "0 dead letters are due again" in replay("--kind", "inventory.push")
    assert dead() == 1


def test_ids_are_replayed() -> None:
    jobs = [make_dead_letter() for _ in range(3)]
    replay("--id", str(jobs[0].id), str(jobs[2].id))
    assert Job.objects.get(state="dead") == jobs[1]


def test_an_id_that_is_no_dead_letter_stops_everything() -> None:
    job, alive = make_dead_letter(), make_job()
    with pytest.raises(CommandError, match=str(alive.id)):
        replay("--id", str(job.id), str(alive.id))
    assert dead() == 1


def test_all_replays_all() -> None:
    for _ in range(3):
        make_dead_letter()
    replay("--all")
    assert dead() == 0


def test_subject_class_and_time_narrow_the_selection() -> None:
    now = timezone.now()
    mine = make_dead_letter(subject="order:1:5", error_class="Transient")
    make_dead_letter(subject="order:1:5")
    make_dead_letter(subject="order:2:5", error_class="Transient")
    old = make_dead_letter(subject="order:1:5", error_class="Transient")
    Job.objects.filter(id=old.id).update(finished_at=now - timedelta(days=2))
    since = f"{now - timedelta(hours=1):%Y-%m-%dT%H:%M}"
    replay("--subject", "order:1:", "--error-class", "Transient", "--since", since)
    assert Job.objects.get(state="ready") == mine
    replay("--until", since)
    assert {*Job.objects.filter(state="ready")} == {mine, old}


def test_a_limit_takes_the_oldest_and_says_that_there_are_more() -> None:
    old, new = make_dead_letter(), make_dead_letter()
    Job.objects.filter(id=old.id).update(finished_at=timezone.now() - timedelta(days=2))
    assert "more" in replay("--all", "--limit", "1")
    assert Job.objects.get(state="dead") == new
    with pytest.raises(CommandError, match="limit"):
        replay("--all", "--limit", "0")


def test_who_replays_is_told_in_the_job_s_history() -> None:
    job, ada = make_dead_letter(), User.objects.create_user("ada")
    replay("--all", "--by", "ada")
    assert LogEntry.objects.values_list("user", "object_id", "change_message").get() == (
        ada.id,
        str(job.id),
        "Replayed.",
    )
    with pytest.raises(CommandError, match="nobody"):
        replay("--all", "--by", "eve")


def test_what_is_not_dead_is_never_touched() -> None:
    jobs = [make_job(state=state, attempts=3, finished_at=timezone.now()) for state in ("ready", "done")]
    before = list(Job.objects.order_by("id").values())
    assert "0 dead letters are due again" in replay("--all")
    with pytest.raises(CommandError):
        replay("--id", *(str(job.id) for job in jobs))
    assert list(Job.objects.order_by("id").values()) == before


def test_many_are_replayed_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "BATCH", 2)
    for _ in range(5):
        make_dead_letter()
    assert "5 dead letters are due again" in replay("--all")


def test_what_dies_anew_meanwhile_is_not_taken_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "BATCH", 1)
    make_dead_letter()

    def dies_at_once(ids: list[int]) -> int:
        return Job.objects.filter(id__in=ids).update(state="dead", finished_at=timezone.now())

    monkeypatch.setattr("ops.queue.jobs.replay", dies_at_once)
    assert "1 dead letters are due again" in replay("--all")
