"""`manage.py replay`: lists, selects, replays."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from ops.models import Job
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
