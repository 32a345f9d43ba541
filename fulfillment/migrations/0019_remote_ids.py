from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """The WMS's ids are called so in Python. Columns and indexes keep their names: the database is not touched."""

    dependencies = [("fulfillment", "0018_help_texts")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveIndex("wmsorder", "wms_order_id"),
                migrations.RenameField("wmsorder", "wms_order_id", "remote_id"),
                migrations.AlterField(
                    "wmsorder",
                    "remote_id",
                    models.CharField(
                        "WMS order ID",
                        blank=True,
                        db_column="wms_order_id",
                        default="",
                        help_text="The WMS knows the order by this number; it is empty until we know that the WMS has it.",
                        max_length=255,
                    ),
                ),
                migrations.AddIndex("wmsorder", models.Index(fields=["remote_id"], name="wms_order_id")),
                migrations.RemoveIndex("shipment", "shipment_order_ref"),
                migrations.RenameField("shipment", "wms_order_ref", "remote_order_id"),
                migrations.AlterField(
                    "shipment",
                    "remote_order_id",
                    models.CharField(
                        "WMS order reference",
                        db_column="wms_order_ref",
                        help_text="The WMS reported the shipment for the order that it knows by this number.",
                        max_length=255,
                    ),
                ),
                migrations.AddIndex(
                    "shipment", models.Index(fields=["remote_order_id"], name="shipment_order_ref")
                ),
                migrations.RemoveIndex("return", "return_wms_id"),
                migrations.RenameField("return", "wms_return_id", "remote_id"),
                migrations.AlterField(
                    "return",
                    "remote_id",
                    models.CharField(
                        "WMS return ID",
                        blank=True,
                        db_column="wms_return_id",
                        default="",
                        help_text="The WMS knows the return by this number; it is empty until the WMS has told us.",
                        max_length=255,
                    ),
                ),
                migrations.AddIndex("return", models.Index(fields=["remote_id"], name="return_wms_id")),
            ]
        ),
    ]
