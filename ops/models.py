from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from ops.refs import ParkKey, Subject
from ops.text.untrusted import StoredDecoder


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

    name = models.CharField(
        max_length=300,
        primary_key=True,
        help_text="The lane has the name of the endpoint whose jobs wait in it.",
    )
    concurrency = models.PositiveSmallIntegerField(
        default=4, db_default=4, help_text="At most this many jobs of the lane run at the same time."
    )
    paused = models.BooleanField(
        default=False,
        db_default=False,
        help_text="If this is set, a person paused the lane: its jobs wait, and nothing is lost.",
    )
    circuit = models.CharField(
        max_length=10,
        choices=Circuit.choices,
        default=Circuit.CLOSED,
        db_default=Circuit.CLOSED,
        help_text="This says whether calls go to the endpoint, or are stopped because it is down.",
    )
    failures = models.PositiveIntegerField(
        default=0, db_default=0, help_text="The endpoint failed this often in a row."
    )
    open_until = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Nothing is sent to the endpoint before this time; it is empty while calls pass.",
    )
    recovering = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="The endpoint gave this many answers since it was down; it is empty once the lane is at full "
        "speed.",
    )
    held_until = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Until this time the endpoint takes no more work of less priority; it is empty if it never refused "
        "any.",
    )
    held_priority = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        choices=Priority.choices,
        help_text="Only work that is more urgent than this goes out until then; it is empty if nothing was held.",
    )
    served_at = models.DateTimeField(
        db_default=Now(),
        editable=False,
        help_text="We last looked at this time which jobs of the lane may run.",
    )

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
    share = models.CharField(
        max_length=300,
        blank=True,
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


class Severity(models.TextChoices):
    INFO = "info", "information"
    WARNING = "warning", "warning"
    CRITICAL = "critical", "critical"


class Alert(models.Model):
    """What a person must know: what happened, what it means, what to do."""

    class State(models.TextChoices):
        OPEN = "open", "open"
        CLOSED = "closed", "closed"

    kind = models.CharField(max_length=60, help_text="This names the kind of problem.")
    subject: models.CharField[Subject, Subject] = models.CharField(
        max_length=300,
        help_text="The alert is about this, for example an order; there is one open alert of a kind for each.",
    )
    severity = models.CharField(
        max_length=10,
        choices=Severity.choices,
        default=Severity.WARNING,
        help_text="This says how urgent the alert is.",
    )
    title = models.CharField(max_length=300, help_text="This says what happened.")
    meaning = models.TextField(help_text="This says what it means.")
    action = models.TextField(help_text="This says what to do.")
    state = models.CharField(
        max_length=10,
        choices=State.choices,
        default=State.OPEN,
        db_default=State.OPEN,
        help_text="An alert is open until a person closes it, or until the problem is gone.",
    )
    shop = models.CharField(
        max_length=255,
        blank=True,
        default="",
        db_default="",
        help_text="The alert is about this Shopify store; it is empty if it is about none.",
    )
    count = models.PositiveIntegerField(
        "occurrences",
        default=1,
        db_default=1,
        help_text="The problem occurred this often since the alert was opened.",
    )
    causes = ArrayField(
        models.CharField(max_length=300),
        default=list,
        db_default=[],
        blank=True,
        help_text="The alert was raised for these causes. The same cause once more is another look, and no other "
        "occurrence.",
    )
    first_at = models.DateTimeField(
        "since", db_default=Now(), help_text="The problem first occurred at this time."
    )
    last_at = models.DateTimeField(
        "last occurrence", db_default=Now(), help_text="The problem last occurred at this time."
    )
    closed_at = models.DateTimeField(
        null=True, blank=True, help_text="The alert was closed at this time; it is empty while it is open."
    )

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

    task = models.CharField(max_length=200, primary_key=True, help_text="The schedule is of this task.")
    expected_since = models.DateTimeField(
        db_default=Now(),
        help_text="The task is scheduled as it is now since this time; its first run is due one interval later.",
    )
    ran_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The task last ended well at this time, to ten seconds; it is empty before the first run.",
    )

    def __str__(self) -> str:
        return self.task
