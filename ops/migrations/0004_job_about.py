from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # indexes are built while work goes on

    dependencies = [
        ("ops", "0003_lane_turns_and_recovery"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="job",
            index=models.Index(
                fields=["subject", "id"], name="job_about", opclasses=["varchar_pattern_ops", "int8_ops"]
            ),
        ),
        RemoveIndexConcurrently(model_name="job", name="job_subject"),
    ]
