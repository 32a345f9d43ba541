from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [
        ("fulfillment", "0003_fulfillment_orders_are_dated_and_wms_orders_looked_up"),
        ("admin", "0003_logentry_add_action_flag_choices"),
    ]

    operations = [
        migrations.AddField(
            model_name="return",
            name="attempt_at",
            field=models.DateTimeField(blank=True, help_text="When it was last being announced.", null=True),
        ),
        migrations.AlterField(
            model_name="return",
            name="state",
            field=models.CharField(
                choices=[
                    ("requesting", "being announced to the WMS"),
                    ("unknown", "a person must say whether the WMS expects it"),
                    ("open", "announced to the WMS"),
                    ("received", "received at the warehouse"),
                    ("failed", "the WMS did not take the announcement"),
                ],
                default="requesting",
                max_length=12,
            ),
        ),
        migrations.RemoveConstraint(model_name="return", name="return_state_is_known"),
        migrations.AddConstraint(
            model_name="return",
            constraint=models.CheckConstraint(
                condition=Q(state__in=["requesting", "unknown", "open", "received", "failed"]),
                name="return_state_is_known",
            ),
        ),
        # Timelines and job pages ask what staff did with a row; Django's own table has no index for that.
        migrations.RunSQL(
            "CREATE INDEX IF NOT EXISTS admin_log_of_row ON django_admin_log (object_id, content_type_id)",
            "DROP INDEX IF EXISTS admin_log_of_row",
        ),
    ]
