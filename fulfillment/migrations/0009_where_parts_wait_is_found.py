from django.contrib.postgres.operations import AddIndexConcurrently, ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # the indexes are built while work goes on

    dependencies = [
        ("fulfillment", "0008_parts_of_an_order_wait_for_themselves"),
    ]

    operations = [
        ValidateConstraint(model_name="order", name="order_reason_is_known"),
        ValidateConstraint(model_name="order", name="order_rest_reason_is_known"),
        AddIndexConcurrently(
            model_name="fulfillmentorder",
            index=models.Index(
                condition=models.Q(
                    ("is_ours", False), ("status__in", ["OPEN", "IN_PROGRESS", "SCHEDULED", "ON_HOLD"])
                ),
                fields=["location_id", "order"],
                name="fulfillment_order_elsewhere",
            ),
        ),
        AddIndexConcurrently(
            model_name="order",
            index=models.Index(
                condition=models.Q(("rest_from__isnull", False)),
                fields=["rest_from"],
                name="order_with_a_scheduled_part",
            ),
        ),
    ]
