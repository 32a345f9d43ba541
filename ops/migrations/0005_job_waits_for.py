import django.contrib.postgres.indexes
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # indexes are built while work goes on

    dependencies = [
        ("ops", "0004_job_about"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="job",
            index=django.contrib.postgres.indexes.GinIndex(
                condition=models.Q(("parked_on", []), _negated=True),
                fields=["parked_on"],
                name="job_waits_for",
            ),
        ),
        RemoveIndexConcurrently(model_name="job", name="job_parked_on"),
    ]
