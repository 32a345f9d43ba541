from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from ops.foreign import StoredDecoder


class Priority(models.IntegerChoices):
    """Order in which a lane's due jobs are taken; lower goes first."""

    URGENT = 0, "urgent"
    HIGH = 1, "high"
    NORMAL = 5, "normal"
    LOW = 9, "low"


class Circuit(models.TextChoices):
    CLOSED = "closed", "closed: calls pass"
    OPEN = "open", "open: the endpoint is down, nothing is sent"
    HALF_OPEN = "half_open", "half open: one probe at a time"


class Lane(models.Model):
    """The queue of one external endpoint: own concurrency, own circuit breaker."""

    name = models.CharField(max_length=300, primary_key=True)
    concurrency = models.PositiveSmallIntegerField(default=4, db_default=4)
    paused = models.BooleanField(
        default=False, db_default=False, help_text="Paused by a person: jobs wait, nothing is lost."
    )
    circuit = models.CharField(
        max_length=10, choices=Circuit.choices, default=Circuit.CLOSED, db_default=Circuit.CLOSED
    )
    failures = models.PositiveIntegerField(default=0, db_default=0, help_text="Endpoint failures in a row.")
    open_until = models.DateTimeField(null=True, blank=True)
    recovering = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Answers since the circuit closed, until the lane is at full speed again.",
    )
    held_until = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Until then the endpoint's budget is used up for work of less priority.",
    )
    held_priority = models.PositiveSmallIntegerField(null=True, blank=True, choices=Priority.choices)
    served_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(concurrency__gte=1), name="lane_has_room_for_one_job"),
            models.CheckConstraint(condition=Q(circuit__in=Circuit.values), name="lane_circuit_is_known"),
            models.CheckConstraint(
                condition=Q(circuit=Circuit.CLOSED) | Q(open_until__isnull=False),
                name="lane_open_circuit_has_an_end",
            ),
            models.CheckConstraint(
                condition=Q(held_until__isnull=True, held_priority__isnull=True)
                | Q(held_until__isnull=False, held_priority__isnull=False),
                name="lane_hold_is_for_a_priority",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Job(models.Model):
    """One durable unit of work. Statements that change a job live in `ops.jobs`."""

    class State(models.TextChoices):
        READY = "ready", "ready"
        RUNNING = "running", "running"
        DONE = "done", "done"
        DEAD = "dead", "dead letter"

    kind = models.CharField(max_length=100)
    lane = models.ForeignKey(Lane, on_delete=models.PROTECT, related_name="jobs")
    key = models.CharField(max_length=500, unique=True)
    payload = models.JSONField(default=dict, decoder=StoredDecoder)
    subject = models.CharField(max_length=300, blank=True)
    share = models.CharField(
        max_length=300,
        blank=True,
        default="",
        db_default="",
        help_text="For whom, where a lane serves several.",
    )
    priority = models.PositiveSmallIntegerField(choices=Priority.choices, default=Priority.NORMAL)
    state = models.CharField(max_length=10, choices=State.choices, default=State.READY)
    attempts = models.PositiveIntegerField(default=0, db_default=0)
    run_at = models.DateTimeField(db_default=Now())
    parked_on = ArrayField(models.CharField(max_length=300), default=list, db_default=[], blank=True)
    parked_since = models.DateTimeField(null=True, blank=True)
    lease_token = models.UUIDField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    rerun = models.BooleanField(default=False, db_default=False)
    error_class = models.CharField(max_length=100, blank=True, default="", db_default="")
    error = models.TextField(blank=True, default="", db_default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)

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
                F("share"),
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

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="history")
    attempt = models.PositiveIntegerField()
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(db_default=Now())
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    error_class = models.CharField(max_length=100)
    error = models.TextField()

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


class Severity(models.TextChoices):
    INFO = "info", "information"
    WARNING = "warning", "warning"
    CRITICAL = "critical", "critical"


class Alert(models.Model):
    """What a person must know: what happened, what it means, what to do."""

    class State(models.TextChoices):
        OPEN = "open", "open"
        CLOSED = "closed", "closed"

    kind = models.CharField(max_length=60)
    subject = models.CharField(max_length=300)
    severity = models.CharField(max_length=10, choices=Severity.choices, default=Severity.WARNING)
    title = models.CharField(max_length=300, help_text="What happened.")
    meaning = models.TextField(help_text="What it means.")
    action = models.TextField(help_text="What to do.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN, db_default=State.OPEN)
    shop = models.CharField(
        max_length=255,
        blank=True,
        default="",
        db_default="",
        help_text="Whose shop it is about; empty: no one's.",
    )
    count = models.PositiveIntegerField("occurrences", default=1, db_default=1)
    causes = ArrayField(
        models.CharField(max_length=300),
        default=list,
        db_default=[],
        blank=True,
        help_text="What it was raised for: the same once more is another look, no other occurrence.",
    )
    first_at = models.DateTimeField("since", db_default=Now())
    last_at = models.DateTimeField("last occurrence", db_default=Now())
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-last_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject"], condition=Q(state="open"), name="alert_is_open_once_per_subject"
            ),
            models.CheckConstraint(condition=Q(severity__in=Severity.values), name="alert_severity_is_known"),
            models.CheckConstraint(
                condition=Q(state="open", closed_at__isnull=True)
                | Q(state="closed", closed_at__isnull=False),
                name="alert_is_open_or_closed",
            ),
        ]
        indexes = [
            models.Index(fields=["subject"], name="alert_subject"),
            models.Index(fields=["-last_at"], name="alert_last"),
            models.Index(fields=["closed_at"], name="alert_closed", condition=Q(state="closed")),
        ]

    def __str__(self) -> str:
        return self.title


class ScheduledRun(models.Model):
    """When a task that beat schedules last ended well."""

    task = models.CharField(max_length=200, primary_key=True)
    expected_since = models.DateTimeField(
        db_default=Now(),
        help_text="Since when it is scheduled as it is now: a first run is due one interval later.",
    )
    ran_at = models.DateTimeField(null=True, blank=True, help_text="To ten seconds.")

    def __str__(self) -> str:
        return self.task
