from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [
        ("inventory", "0004_commitments"),
    ]

    operations = [
        migrations.AddField(
            model_name="stocklevel",
            name="promised_at",
            field=models.DateTimeField(
                blank=True, help_text="When an order was last promised units of it, to the hour.", null=True
            ),
        ),
        # Levels that are there count as read now, which writes no row: else all would be stale until the next whole
        # reading. Those to come say nothing until a reading names them.
        migrations.AddField(
            model_name="stocklevel",
            name="read_at",
            field=models.DateTimeField(
                blank=True,
                db_default=Now(),
                help_text="When a reading of the WMS's stock last named it.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="stocklevel",
            name="read_at",
            field=models.DateTimeField(
                blank=True, help_text="When a reading of the WMS's stock last named it.", null=True
            ),
        ),
    ]
