from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

REASONS = [
    ("", "-"),
    ("unpaid", "not paid as the shop's policy asks"),
    ("test_order", "a test order"),
    ("unconfirmed", "not confirmed by Shopify"),
    ("no_fulfillment_orders", "Shopify has not made its fulfilment orders yet"),
    ("on_hold", "on hold at Shopify"),
    ("scheduled", "scheduled for a later date at Shopify"),
    ("shop_inactive", "the shop is not active"),
    ("elsewhere", "at Shopify locations that are no warehouse of ours"),
    ("no_location", "Shopify names no location for it"),
    ("no_address", "no shipping address"),
    ("unmapped_sku", "a SKU is not mapped"),
    ("product_deleted", "a product was deleted in Shopify"),
    ("no_warehouse", "no warehouse can serve it"),
    ("wms_rejected", "the WMS refused it"),
    ("wms_cancelled", "the WMS cancelled it"),
    ("outcome_unknown", "nobody knows whether the WMS has it"),
    ("edited", "changed at Shopify after it went to the warehouse"),
    ("shipment_held", "a parcel left that Shopify is not told of"),
]
KNOWN = [
    "",
    "unpaid",
    "test_order",
    "unconfirmed",
    "no_fulfillment_orders",
    "on_hold",
    "scheduled",
    "shop_inactive",
    "elsewhere",
    "no_location",
    "no_address",
    "unmapped_sku",
    "product_deleted",
    "no_warehouse",
    "wms_rejected",
    "wms_cancelled",
    "outcome_unknown",
    "edited",
    "shipment_held",
]


class Migration(migrations.Migration):
    dependencies = [
        ("fulfillment", "0007_what_was_told_is_filled_in"),
        ("shops", "0003_shop_whole_orders_only_and_routes_all_locations"),
    ]

    operations = [
        migrations.AddField(
            model_name="fulfillmentorder",
            name="is_ours",
            field=models.BooleanField(
                db_default=True, default=True, help_text="At a location that is ours, when it was last read."
            ),
        ),
        migrations.AddField(
            model_name="order",
            name="rest_detail",
            field=models.TextField(blank=True, db_default="", default=""),
        ),
        migrations.AddField(
            model_name="order",
            name="rest_from",
            field=models.DateTimeField(
                blank=True, help_text="When the first part that is scheduled may go.", null=True
            ),
        ),
        migrations.AddField(
            model_name="order",
            name="rest_reason",
            field=models.CharField(
                blank=True,
                choices=REASONS,
                db_default="",
                default="",
                help_text="Why a part of it may not go yet, whatever became of the other parts.",
                max_length=30,
            ),
        ),
        migrations.AlterField(
            model_name="order",
            name="reason",
            field=models.CharField(blank=True, choices=REASONS, default="", max_length=30),
        ),
        migrations.RemoveConstraint(model_name="order", name="order_reason_is_known"),
        # The rows that are there are checked by the next migration, while work goes on.
        AddConstraintNotValid(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason__in", KNOWN)), name="order_reason_is_known"
            ),
        ),
        AddConstraintNotValid(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(("rest_reason__in", KNOWN)), name="order_rest_reason_is_known"
            ),
        ),
    ]
