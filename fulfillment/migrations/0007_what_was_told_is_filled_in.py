from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.operations import AddIndexConcurrently, ValidateConstraint
from django.db import migrations

BATCH = 20_000

COUNTED = """
UPDATE fulfillment_shipmentline line SET counted = line.quantity
  FROM fulfillment_shipment s
 WHERE s.id = line.shipment_id AND s.id > %(after)s AND s.id <= %(until)s AND line.counted = 0
   AND (s.state <> 'held' OR EXISTS (SELECT 1 FROM fulfillment_shipmentunit u WHERE u.shipment_id = s.id))
"""

TOLD = """
UPDATE fulfillment_shipmentunit unit SET told = unit.quantity
  FROM fulfillment_shipment s
 WHERE s.id = unit.shipment_id AND s.id > %(after)s AND s.id <= %(until)s
   AND s.state = 'fulfilled' AND unit.told = 0 AND unit.sent_again = 0
"""

FULFILMENTS = """
INSERT INTO fulfillment_fulfillment (shipment_id, state, units, tracking, attempt_at, shopify_fulfillment_id)
SELECT s.id, 'told', jsonb_object_agg(line.shopify_line_id::text, unit.quantity),
       CASE WHEN s.tracking_number = '' THEN '{}' ELSE jsonb_build_object('number', s.tracking_number) END,
       coalesce(s.attempt_at, s.received_at), s.shopify_fulfillment_id
  FROM fulfillment_shipment s
  JOIN fulfillment_shipmentunit unit ON unit.shipment_id = s.id
  JOIN order_line_items line ON line.id = unit.order_line_id
 WHERE s.id > %(after)s AND s.id <= %(until)s AND s.state = 'fulfilled'
   AND NOT EXISTS (SELECT 1 FROM fulfillment_fulfillment f WHERE f.shipment_id = s.id)
 GROUP BY s.id
"""


def fill_in(apps, schema_editor):
    """What was counted and told before it was kept by item: of a shipment all or nothing."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM fulfillment_shipment")
        (last,) = cursor.fetchone()
        for after in range(0, last, BATCH):
            for statement in (COUNTED, TOLD, FULFILMENTS):
                cursor.execute(statement, {"after": after, "until": after + BATCH})


class Migration(migrations.Migration):
    atomic = False  # in batches, and the index is built while work goes on

    dependencies = [
        ("fulfillment", "0006_shipments_told_in_part"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="shipment",
            index=GinIndex(fields=["tracking_numbers"], name="shipment_all_tracking"),
        ),
        migrations.RunPython(fill_in, migrations.RunPython.noop),
        ValidateConstraint("order", "order_reason_is_known"),
        ValidateConstraint("shipment", "shipment_state_is_known"),
        ValidateConstraint("shipmentline", "shipment_line_counts_no_more_than_reported"),
        ValidateConstraint("shipmentunit", "shipment_unit_tells_no_more_than_left"),
    ]
