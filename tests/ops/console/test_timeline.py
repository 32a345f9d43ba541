"""What happened to a subject, in order, in three statements."""

from __future__ import annotations

from typing import Any

import pytest
from django.template.loader import render_to_string
from django.utils import timezone

from ops.console.timeline import Tone, timeline
from ops.models import Alert, JobAttempt
from ops.refs import Subject
from tests.builders import make_dead_letter, make_job

pytestmark = pytest.mark.django_db


def test_jobs_failed_runs_and_alerts_come_in_order(django_assert_num_queries: Any) -> None:
    done = make_job("shopify.orders/paid", subject="order:1:5", state="done", finished_at=timezone.now())
    tried = make_job("fulfillment.submit", subject="order:1:5", error_class="Transient", error="time-out")
    JobAttempt.objects.create(job=tried, attempt=1, outcome="transient", error_class="Transient", error="t-o")
    Alert.objects.create(kind="k", subject=Subject("order:1:5"), title="Held", meaning="m", action="Map it")
    make_job("shopify.orders/paid", subject="order:1:6")
    timeline(["order:1:5"])  # content types are read once a process
    with django_assert_num_queries(4):
        entries = timeline(["order:1:5"])
    assert {(entry.title, entry.status) for entry in entries} == {
        ("shopify.orders/paid", "asked for"),
        ("shopify.orders/paid", "done"),
        ("fulfillment.submit", "waits to be tried again"),
        ("fulfillment.submit", "failed, to be retried"),
        ("Held", "alert"),
    }
    assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
    assert done.id in {entry.pk for entry in entries}


def test_a_dead_letter_reads_as_bad() -> None:
    make_dead_letter(subject="order:1:5")
    last = timeline(["order:1:5"])[-1]
    assert (last.tone, last.detail) in {(Tone.BAD, "unknown item"), (Tone.BAD, "attempt 1: unknown item")}


def test_several_subjects_share_one_timeline() -> None:
    make_job(subject="order:1:5")
    make_job(subject="fulfillment_order:1:9")
    assert len(timeline(["order:1:5", "fulfillment_order:1:9"])) == 2
    assert timeline([]) == []


def test_the_template_links_each_entry_and_escapes_what_machines_wrote() -> None:
    job = make_dead_letter(subject="order:1:5", error="<script>alert(1)</script>")
    html = render_to_string("admin/timeline.html", {"entries": timeline(["order:1:5"])})
    assert f"/admin/ops/job/{job.id}/change/" in html
    assert "<script>" not in html
