from django.db import migrations

# What orders were promised lately counts as sold, else nothing would until the next orders come.
SOLD = """
UPDATE inventory_cache AS level SET promised_at = promise.made_at
FROM (SELECT level_id, max(created_at) AS made_at FROM inventory_reservation GROUP BY level_id) AS promise
WHERE promise.level_id = level.id AND level.promised_at IS NULL
"""


class Migration(migrations.Migration):
    dependencies = [
        ("inventory", "0006_sold_and_read_indexes"),
    ]

    operations = [
        migrations.RunSQL(SOLD, migrations.RunSQL.noop),
    ]
