"""Alerts: what staff must know."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from ops.refs import Subject


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
