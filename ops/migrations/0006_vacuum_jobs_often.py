from django.db import migrations


class Migration(migrations.Migration):
    """Each job leaves four dead rows. By default ten million jobs would be vacuumed only once there are two million."""

    dependencies = [
        ("ops", "0005_job_waits_for"),
    ]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE ops_job SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02)",
            "ALTER TABLE ops_job RESET (autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor)",
        ),
    ]
