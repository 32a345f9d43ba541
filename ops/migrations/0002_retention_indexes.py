from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ops", "0001_initial"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="alert",
            index=models.Index(
                condition=models.Q(("state", "closed")), fields=["closed_at"], name="alert_closed"
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(
                    ("state", "done"), models.Q(("payload__has_key", "erased_on"), _negated=True)
                ),
                fields=["finished_at"],
                name="job_payload",
            ),
        ),
    ]
