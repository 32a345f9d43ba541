from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

# Of orders under way it is known when they became ready, and since when they stand where they stand. Those that are
# finished are measured no more. Few rows, found by the index on the state.
WAITED = """
UPDATE fulfillment_order
   SET waited_at_shopify = GREATEST(interval '0', CASE WHEN state = 'waiting' THEN state_since
                                                       ELSE COALESCE(ready_at, received_at) END - received_at),
       waited_for_person = CASE WHEN state = 'held'
                                THEN GREATEST(interval '0', state_since - COALESCE(ready_at, received_at))
                                ELSE waited_for_person END
 WHERE state IN ('waiting', 'ready', 'held') AND waited_at_shopify = interval '0'
"""
OWED = """
UPDATE fulfillment_order o SET owed_from = received_at
 WHERE state = 'ready' AND owed_from IS NULL
   AND NOT EXISTS (SELECT FROM wms_order_map w
                    WHERE w.order_id = o.id AND w.wms_status NOT IN ('cancelled', 'rejected'))
"""
# A later report moved reported_at on; the first one was never later than we had it.
EMITTED = """
UPDATE fulfillment_shipment SET emitted_at = LEAST(reported_at, received_at)
 WHERE state IN ('received', 'fulfilling', 'held') AND emitted_at IS NULL
"""


class Migration(migrations.Migration):
    atomic = False  # the index is built, and each table filled in, while work goes on

    dependencies = [
        ("fulfillment", "0015_what_orders_waited"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="order",
            index=models.Index(
                condition=models.Q(("owed_from__isnull", False)), fields=["owed_from"], name="order_owed"
            ),
        ),
        migrations.RunSQL(WAITED, migrations.RunSQL.noop),
        migrations.RunSQL(OWED, migrations.RunSQL.noop),
        migrations.RunSQL(EMITTED, migrations.RunSQL.noop),
    ]
