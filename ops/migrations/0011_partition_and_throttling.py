from __future__ import annotations

from django.db import migrations, models
from django.db.models import F, Q

THROTTLED = Q(throttled_until__isnull=True, throttled_priority__isnull=True) | Q(
    throttled_until__isnull=False, throttled_priority__isnull=False
)


class Migration(migrations.Migration):
    """Three fields have the usual words as names in Python. Columns, index and constraint keep theirs: the database is
    not touched."""

    dependencies = [("ops", "0010_help_texts")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveIndex("job", "job_turn"),
                migrations.RenameField("job", "share", "partition"),
                migrations.AlterField(
                    "job",
                    "partition",
                    models.CharField(
                        blank=True,
                        db_column="share",
                        db_default="",
                        default="",
                        help_text="The job is for this store, order or the like. Where a lane serves several of them, "
                        "they take turns.",
                        max_length=300,
                    ),
                ),
                migrations.AddIndex(
                    "job",
                    models.Index(
                        F("lane"),
                        F("priority"),
                        F("partition"),
                        F("run_at"),
                        F("id"),
                        name="job_turn",
                        condition=Q(state="ready", parked_on=[]),
                    ),
                ),
                migrations.RemoveConstraint("lane", "lane_hold_is_for_a_priority"),
                migrations.RenameField("lane", "held_until", "throttled_until"),
                migrations.RenameField("lane", "held_priority", "throttled_priority"),
                migrations.AlterField(
                    "lane",
                    "throttled_until",
                    models.DateTimeField(
                        blank=True,
                        db_column="held_until",
                        help_text="Until this time the endpoint takes no more work of less priority; it is empty if it "
                        "never refused any.",
                        null=True,
                    ),
                ),
                migrations.AlterField(
                    "lane",
                    "throttled_priority",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        choices=[(0, "urgent"), (1, "high"), (5, "normal"), (9, "low")],
                        db_column="held_priority",
                        help_text="Only work that is more urgent than this goes out until then; it is empty if nothing "
                        "was throttled.",
                        null=True,
                    ),
                ),
                migrations.AddConstraint(
                    "lane", models.CheckConstraint(condition=THROTTLED, name="lane_hold_is_for_a_priority")
                ),
            ]
        ),
    ]
