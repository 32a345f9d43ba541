"""Lanes, their circuits, and the priorities of the jobs in them."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


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
    throttled_until = models.DateTimeField(
        null=True,
        blank=True,
        db_column="held_until",
        help_text="Until this time the endpoint takes no more work of less priority; it is empty if it never refused "
        "any.",
    )
    throttled_priority = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        choices=Priority.choices,
        db_column="held_priority",
        help_text="Only work that is more urgent than this goes out until then; it is empty if nothing was throttled.",
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
                condition=Q(throttled_until__isnull=True, throttled_priority__isnull=True)
                | Q(throttled_until__isnull=False, throttled_priority__isnull=False),
                name="lane_hold_is_for_a_priority",
            ),
        ]

    def __str__(self) -> str:
        return self.name
