from django.db import migrations

# What orders were promised lately counts as sold, else nothing would until the next orders come. Of the days that count
# only, and locked in the order in which orders lock levels, since they come meanwhile.
SOLD = """
WITH promise AS (
    SELECT level_id, max(created_at) AS made_at FROM inventory_reservation
     WHERE created_at > now() - interval '7 days' GROUP BY level_id),
sold AS MATERIALIZED (
    SELECT level.id, promise.made_at FROM inventory_cache AS level JOIN promise ON promise.level_id = level.id
     WHERE level.promised_at IS NULL ORDER BY level.id FOR UPDATE OF level)
UPDATE inventory_cache AS level SET promised_at = sold.made_at FROM sold WHERE sold.id = level.id
"""


class Migration(migrations.Migration):
    dependencies = [
        ("inventory", "0006_sold_and_read_indexes"),
    ]

    operations = [
        migrations.RunSQL(SOLD, migrations.RunSQL.noop),
    ]
