import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
from django.conf import settings
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    # What exists is checked, indexed and filled in by the next migration, while work goes on.
    dependencies = [
        ("fulfillment", "0005_fulfillment_order_shopify_id"),
        ("shops", "0002_shop_fulfillment_orders_synced_until"),
        ("wms", "0002_warehouse_created_at"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Fulfillment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("telling", "tried; the answer is not recorded"),
                            ("told", "a fulfilment at Shopify"),
                            ("void", "nothing came of it"),
                            ("cancelled", "cancelled in Shopify"),
                        ],
                        default="telling",
                        max_length=12,
                    ),
                ),
                ("units", models.JSONField(help_text="Shopify units by Shopify order line id.")),
                ("tracking", models.JSONField(help_text="FulfillmentTrackingInput, as Shopify has it.")),
                ("attempt_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("shopify_fulfillment_id", models.BigIntegerField(blank=True, null=True, unique=True)),
            ],
        ),
        migrations.CreateModel(
            name="ShipmentCount",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("quantity", models.PositiveIntegerField()),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="order",
            name="order_reason_is_known",
        ),
        migrations.RemoveConstraint(
            model_name="shipment",
            name="shipment_state_is_known",
        ),
        migrations.AddField(
            model_name="shipment",
            name="decided_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="shipment",
            name="held_for",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="What Shopify asked for when it was held.",
                max_length=64,
            ),
        ),
        migrations.AddField(
            model_name="shipment",
            name="tracking_numbers",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=255),
                blank=True,
                db_default=[],
                default=list,
                help_text="All of them.",
                size=None,
            ),
        ),
        migrations.AddField(
            model_name="shipment",
            name="tracking_urls",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.TextField(), blank=True, db_default=[], default=list, size=None
            ),
        ),
        migrations.AddField(
            model_name="shipment",
            name="warehouse_code",
            field=models.CharField(blank=True, db_default="", default="", max_length=1000),
        ),
        migrations.AddField(
            model_name="shipmentline",
            name="counted",
            field=models.PositiveIntegerField(
                db_default=0, default=0, help_text="Units that belong to the WMS order; the rest is held."
            ),
        ),
        migrations.AddField(
            model_name="shipmentunit",
            name="sent_again",
            field=models.PositiveIntegerField(
                db_default=0,
                default=0,
                help_text="A person had them sent once more: not to be told any more.",
            ),
        ),
        migrations.AddField(
            model_name="shipmentunit",
            name="told",
            field=models.PositiveIntegerField(
                db_default=0, default=0, help_text="Shopify has a fulfilment of them."
            ),
        ),
        migrations.AddField(
            model_name="shipmentunit",
            name="unwanted",
            field=models.PositiveIntegerField(
                db_default=0, default=0, help_text="Held, and Shopify no longer asks for them."
            ),
        ),
        migrations.AlterField(
            model_name="order",
            name="reason",
            field=models.CharField(
                blank=True,
                choices=[
                    ("", "-"),
                    ("unpaid", "not paid as the shop's policy asks"),
                    ("test_order", "a test order"),
                    ("unconfirmed", "not confirmed by Shopify"),
                    ("no_fulfillment_orders", "Shopify has not made its fulfilment orders yet"),
                    ("on_hold", "on hold at Shopify"),
                    ("scheduled", "scheduled for a later date at Shopify"),
                    ("shop_inactive", "the shop is not active"),
                    ("no_address", "no shipping address"),
                    ("unmapped_sku", "a SKU is not mapped"),
                    ("no_warehouse", "no warehouse can serve it"),
                    ("wms_rejected", "the WMS refused it"),
                    ("wms_cancelled", "the WMS cancelled it"),
                    ("outcome_unknown", "nobody knows whether the WMS has it"),
                    ("edited", "changed at Shopify after it went to the warehouse"),
                    ("shipment_held", "a parcel left that Shopify is not told of"),
                ],
                default="",
                max_length=30,
            ),
        ),
        migrations.AlterField(
            model_name="shipment",
            name="carrier_code",
            field=models.CharField(blank=True, default="", max_length=1000),
        ),
        migrations.AlterField(
            model_name="shipment",
            name="shopify_fulfillment_id",
            field=models.BigIntegerField(
                blank=True, help_text="The first one that stands.", null=True, unique=True
            ),
        ),
        migrations.AlterField(
            model_name="shipment",
            name="state",
            field=models.CharField(
                choices=[
                    ("received", "received"),
                    ("held", "held: a person is needed"),
                    ("fulfilling", "being told to Shopify: the outcome is not known yet"),
                    ("fulfilled", "a fulfilment at Shopify"),
                    ("partial_kit", "waits for the rest of its kit"),
                    ("cancelled", "its fulfilment was cancelled in Shopify: a person decides"),
                    ("closed", "a person decided that nothing more is told of it"),
                ],
                default="received",
                max_length=12,
            ),
        ),
        migrations.AlterField(
            model_name="shipment",
            name="tracking_number",
            field=models.CharField(blank=True, default="", help_text="The first of them.", max_length=255),
        ),
        AddConstraintNotValid(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "reason__in",
                        [
                            "",
                            "unpaid",
                            "test_order",
                            "unconfirmed",
                            "no_fulfillment_orders",
                            "on_hold",
                            "scheduled",
                            "shop_inactive",
                            "no_address",
                            "unmapped_sku",
                            "no_warehouse",
                            "wms_rejected",
                            "wms_cancelled",
                            "outcome_unknown",
                            "edited",
                            "shipment_held",
                        ],
                    )
                ),
                name="order_reason_is_known",
            ),
        ),
        AddConstraintNotValid(
            model_name="shipment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "state__in",
                        ["received", "held", "fulfilling", "fulfilled", "partial_kit", "cancelled", "closed"],
                    )
                ),
                name="shipment_state_is_known",
            ),
        ),
        AddConstraintNotValid(
            model_name="shipmentline",
            constraint=models.CheckConstraint(
                condition=models.Q(("counted__lte", models.F("quantity"))),
                name="shipment_line_counts_no_more_than_reported",
            ),
        ),
        AddConstraintNotValid(
            model_name="shipmentunit",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "quantity__gte",
                        django.db.models.expressions.CombinedExpression(
                            models.F("told"), "+", models.F("sent_again")
                        ),
                    )
                ),
                name="shipment_unit_tells_no_more_than_left",
            ),
        ),
        migrations.AddField(
            model_name="fulfillment",
            name="shipment",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="fulfillments",
                to="fulfillment.shipment",
            ),
        ),
        migrations.AddField(
            model_name="shipmentcount",
            name="shipment",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="counts", to="fulfillment.shipment"
            ),
        ),
        migrations.AddField(
            model_name="shipmentcount",
            name="wms_order_line",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="counts",
                to="fulfillment.wmsorderline",
            ),
        ),
        migrations.AddConstraint(
            model_name="fulfillment",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["telling", "told", "void", "cancelled"])),
                name="fulfillment_state_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="fulfillment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state__in", ["told", "cancelled"]), _negated=True),
                    ("shopify_fulfillment_id__isnull", False),
                    _connector="OR",
                ),
                name="fulfillment_that_was_told_has_its_id",
            ),
        ),
        migrations.AddConstraint(
            model_name="fulfillment",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "telling")),
                fields=("shipment",),
                name="fulfillment_is_told_one_at_a_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="shipmentcount",
            constraint=models.CheckConstraint(
                condition=models.Q(("quantity__gte", 1)), name="shipment_count_quantity_is_positive"
            ),
        ),
    ]
