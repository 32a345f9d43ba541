from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # the index is built while work goes on

    dependencies = [
        ("fulfillment", "0004_return_outcome_may_be_unknown"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="fulfillmentorder",
            index=models.Index(fields=["shopify_fulfillment_order_id"], name="fulfillment_order_shopify_id"),
        ),
    ]
