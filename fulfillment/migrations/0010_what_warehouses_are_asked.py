from django.conf import settings
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("fulfillment", "0009_where_parts_wait_is_found"),
        ("shops", "0003_shop_whole_orders_only_and_routes_all_locations"),
        ("wms", "0002_warehouse_created_at"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="order",
            name="order_reason_is_known",
        ),
        migrations.RemoveConstraint(
            model_name="order",
            name="order_rest_reason_is_known",
        ),
        migrations.AddField(
            model_name="order",
            name="surplus",
            field=models.JSONField(
                blank=True,
                help_text="Units at warehouses that Shopify no longer asks for, and since when.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="order",
            name="wish_words",
            field=models.TextField(
                blank=True,
                db_default="",
                default="",
                help_text="What its warehouses were asked since, and what they said.",
            ),
        ),
        migrations.AddField(
            model_name="wmsorder",
            name="changes",
            field=models.PositiveIntegerField(
                db_default=0,
                default=0,
                help_text="How often it was asked to send less: each change has a key of its own.",
            ),
        ),
        migrations.AddField(
            model_name="wmsorder",
            name="finished_at",
            field=models.DateTimeField(
                blank=True, help_text="When the WMS said that it sends nothing more of it.", null=True
            ),
        ),
        migrations.AddField(
            model_name="wmsorder",
            name="rest_unwanted",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Shipped in part, and Shopify asks for nothing of the rest.",
            ),
        ),
        migrations.AddField(
            model_name="wmsorder",
            name="stands_here_since",
            field=models.DateTimeField(
                blank=True,
                help_text="When Shopify's work for it was first seen at this warehouse's location.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="wmsorder",
            name="wish",
            field=models.CharField(
                choices=[
                    ("none", "nothing"),
                    ("cancel_asked", "asked to cancel it"),
                    ("cancel_declined", "declined to cancel it"),
                    ("less_asked", "asked to send less"),
                    ("less_taken", "agreed to send less"),
                    ("less_declined", "declined to send less"),
                ],
                db_default="none",
                default="none",
                max_length=20,
            ),
        ),
        migrations.AddField(
            model_name="wmsorder",
            name="wish_answer",
            field=models.TextField(
                blank=True, db_default="", default="", help_text="What the WMS said to that, in its words."
            ),
        ),
        migrations.AddField(
            model_name="wmsorderline",
            name="reduce_to",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="What the WMS is being asked to send instead, in WMS item units.",
                null=True,
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
                    ("cancel_asked", "cancelled at Shopify; the warehouse was asked to cancel it"),
                ],
                default="",
                max_length=30,
            ),
        ),
        migrations.AlterField(
            model_name="order",
            name="rest_reason",
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
                    ("cancel_asked", "cancelled at Shopify; the warehouse was asked to cancel it"),
                ],
                db_default="",
                default="",
                help_text="Why a part of it may not go yet, whatever became of the other parts.",
                max_length=30,
            ),
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
                            "cancel_asked",
                        ],
                    )
                ),
                name="order_reason_is_known",
            ),
        ),
        AddConstraintNotValid(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "rest_reason__in",
                        [
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
                            "cancel_asked",
                        ],
                    )
                ),
                name="order_rest_reason_is_known",
            ),
        ),
        AddConstraintNotValid(
            model_name="wmsorder",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "wish__in",
                        [
                            "none",
                            "cancel_asked",
                            "cancel_declined",
                            "less_asked",
                            "less_taken",
                            "less_declined",
                        ],
                    )
                ),
                name="wms_order_wish_is_known",
            ),
        ),
    ]
