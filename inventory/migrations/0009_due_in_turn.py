from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("inventory", "0008_changes_before_comparisons"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="stocklevel",
            index=models.Index(
                condition=models.Q(("push_due_since__isnull", False)),
                fields=["push_compares", "push_due_since"],
                name="level_due_in_turn",
            ),
        ),
        RemoveIndexConcurrently(model_name="stocklevel", name="level_due"),
    ]
