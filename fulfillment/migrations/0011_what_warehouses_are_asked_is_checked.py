from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False  # what exists is checked while work goes on

    dependencies = [
        ("fulfillment", "0010_what_warehouses_are_asked"),
    ]

    operations = [
        ValidateConstraint(model_name="order", name="order_reason_is_known"),
        ValidateConstraint(model_name="order", name="order_rest_reason_is_known"),
        ValidateConstraint(model_name="wmsorder", name="wms_order_wish_is_known"),
    ]
