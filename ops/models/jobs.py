"""Jobs, and their runs that did not end well."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from ops.models.lanes import Lane, Priority
from ops.refs import ParkKey, Subject
from ops.text.untrusted import StoredDecoder


class Job(models.Model):
    """One durable unit of work. Statements that change a job live in `ops.queue.jobs`."""

    class State(models.TextChoices):
        READY = "ready", "ready"
        RUNNING = "running", "running"
        DONE = "done", "done"
        DEAD = "dead", "dead letter"

    kind = models.CharField(max_length=100, help_text="This names the work that the job does.")
    lane = models.ForeignKey(
        Lane,
        on_delete=models.PROTECT,
        related_name="jobs",
        help_text="The job waits in this lane, the queue of one endpoint.",
    )
    key = models.CharField(
        max_length=500, unique=True, help_text="This key identifies the work; no second job has the same one."
    )
    payload = models.JSONField(
        default=dict,
        decoder=StoredDecoder,
        help_text="This is the data that the job needs; it is erased some time after the job is done.",
    )
    subject: models.CharField[Subject, Subject] = models.CharField(
        max_length=300, blank=True, help_text="The job is about this, for example an order."
    )
    partition = models.CharField(
        max_length=300,
        blank=True,
        db_column="share",
        default="",
        db_default="",
        help_text="The job is for this store, order or the like. Where a lane serves several of them, they take "
        "turns.",
    )
    priority = models.PositiveSmallIntegerField(
        choices=Priority.choices, default=Priority.NORMAL, help_text="Jobs with a lower number go first."
    )
    state = models.CharField(
        max_length=10,
        choices=State.choices,
        default=State.READY,
        help_text="This says whether the job waits, runs, is done, or is a dead letter that a person must look at.",
    )
    attempts = models.PositiveIntegerField(
        default=0,
        db_default=0,
        help_text="The job was tried this often; a try that could not begin, or failed because the endpoint is down, "
        "does not count.",
    )
    run_at = models.DateTimeField(
        db_default=Now(),
        help_text="The job may run from this time on. If it is parked, it looks at its causes again then.",
    )
    parked_on: ArrayField[list[ParkKey], list[ParkKey]] = ArrayField(
        models.CharField(max_length=300),
        default=list,
        db_default=[],
        blank=True,
        help_text="The job waits until one of these causes is gone; it is empty if it does not wait for any.",
    )
    parked_since = models.DateTimeField(
        null=True, blank=True, help_text="The job was parked at this time; it is empty if it was not."
    )
    lease_token = models.UUIDField(
        null=True,
        blank=True,
        help_text="This token belongs to the run in progress, so that no other run can end it; it is empty between "
        "runs.",
    )
    lease_until = models.DateTimeField(
        null=True,
        blank=True,
        help_text="A run that has not ended by this time is taken for lost; it is empty between runs.",
    )
    started_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The last run began at this time; it is empty if no worker has begun one.",
    )
    rerun = models.BooleanField(
        default=False,
        db_default=False,
        help_text="This is set if the job was asked for again while it ran: then it runs once more.",
    )
    error_class = models.CharField(
        max_length=100,
        blank=True,
        default="",
        db_default="",
        help_text="This names what ended the last run, for example an error; it is empty if the run ended well.",
    )
    error = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text="This is the message of that error; it is empty if the run ended well.",
    )
    created_at = models.DateTimeField(
        db_default=Now(), editable=False, help_text="The job was first asked for at this time."
    )
    finished_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The job was done, or became a dead letter, at this time; it is empty until then.",
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["ready", "running", "done", "dead"]), name="job_state_is_known"
            ),
            models.CheckConstraint(
                condition=Q(state="running", lease_token__isnull=False, lease_until__isnull=False)
                | (~Q(state="running") & Q(lease_token__isnull=True)),
                name="job_has_a_lease_exactly_while_running",
            ),
            models.CheckConstraint(
                condition=Q(parked_on__len=0) | Q(state="ready", parked_since__isnull=False),
                name="job_parks_only_while_ready",
            ),
        ]
        indexes = [
            models.Index(
                F("lane"),
                F("priority"),
                F("partition"),
                F("run_at"),
                F("id"),
                name="job_turn",
                condition=Q(state="ready", parked_on=[]),
            ),
            models.Index(fields=["lane", "lease_until"], name="job_running", condition=Q(state="running")),
            models.Index(fields=["run_at"], name="job_parked", condition=Q(state="ready") & ~Q(parked_on=[])),
            GinIndex(fields=["parked_on"], name="job_waits_for", condition=~Q(parked_on=[])),
            models.Index(fields=["-finished_at"], name="job_dead", condition=Q(state="dead")),
            models.Index(fields=["finished_at"], name="job_done", condition=Q(state="done")),
            models.Index(
                fields=["finished_at"],
                name="job_payload",
                condition=Q(state="done") & ~Q(payload__has_key="erased_on"),
            ),
            models.Index(  # also for what begins with a text, whatever the database's collation
                fields=["subject", "id"], name="job_about", opclasses=["varchar_pattern_ops", "int8_ops"]
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class JobAttempt(models.Model):
    """A run that did not end well: the history a person reads before replaying."""

    class Outcome(models.TextChoices):
        TRANSIENT = "transient", "failed, to be retried"
        UNKNOWN = "unknown", "outcome unknown: looked up next time"
        PERMANENT = "permanent", "failed for good"
        BLOCKED = "blocked", "parked until its cause is gone"
        LOST = "lost", "the worker died"
        BUG = "bug", "unexpected error"

    job = models.ForeignKey(
        Job, on_delete=models.CASCADE, related_name="history", help_text="The run was one of this job."
    )
    attempt = models.PositiveIntegerField(help_text="This was the number of the try.")
    started_at = models.DateTimeField(
        null=True, help_text="The run began at this time; it is empty if no worker began it."
    )
    ended_at = models.DateTimeField(db_default=Now(), help_text="The run ended at this time.")
    outcome = models.CharField(
        max_length=10, choices=Outcome.choices, help_text="This says how the run ended."
    )
    error_class = models.CharField(
        max_length=100, help_text="This names the error or the cause that ended the run."
    )
    error = models.TextField(help_text="This is the message of that error.")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(outcome__in=["transient", "unknown", "permanent", "blocked", "lost", "bug"]),
                name="job_attempt_outcome_is_known",
            ),
        ]
        indexes = [models.Index(fields=["ended_at"], name="job_attempt_ended")]

    def __str__(self) -> str:
        return f"{self.outcome}: {self.error_class}"
