from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("inventory", "0005_sold_and_read"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="stocklevel",
            index=models.Index(
                condition=models.Q(("promised_at__isnull", False)),
                fields=["warehouse", "-promised_at"],
                name="level_promised",
            ),
        ),
        AddIndexConcurrently(
            model_name="stocklevel",
            index=models.Index(
                condition=models.Q(("promised_at__isnull", False)),
                fields=["warehouse", "read_at"],
                name="level_read",
            ),
        ),
    ]
