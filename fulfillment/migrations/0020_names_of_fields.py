import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models


class Migration(migrations.Migration):
    """Fields, help texts and labels are called so in Python. The database is not touched: columns, indexes and
    constraints keep their names."""

    dependencies = [("fulfillment", "0019_remote_ids")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveConstraint("order", "order_rest_reason_is_known"),
                migrations.RemoveIndex("order", "order_with_a_scheduled_part"),
                migrations.RemoveIndex("order", "order_owed"),
                migrations.RemoveConstraint("wmsorder", "wms_order_wish_is_known"),
                migrations.RemoveConstraint("shipmentunit", "shipment_unit_tells_no_more_than_left"),
                migrations.RenameField("order", "rest_reason", "deferred_reason"),
                migrations.RenameField("order", "rest_detail", "deferred_detail"),
                migrations.RenameField("order", "rest_from", "deferred_until"),
                migrations.RenameField("order", "owed_from", "lag_started_at"),
                migrations.RenameField("order", "wish_words", "change_summary"),
                migrations.RenameField("wmsorder", "wish", "change_request"),
                migrations.RenameField("wmsorder", "wish_answer", "change_answer"),
                migrations.RenameField("wmsorder", "changes", "reductions"),
                migrations.RenameField("wmsorder", "rest_unwanted", "remainder_unwanted"),
                migrations.RenameField("wmsorder", "stands_here_since", "at_location_since"),
                migrations.RenameField("wmsorder", "owed_from", "lag_started_at"),
                migrations.RenameField("shipment", "went_on_at", "resumed_at"),
                migrations.RenameField("shipment", "held_for", "held_fingerprint"),
                migrations.RenameField("shipmentunit", "told", "fulfilled"),
                migrations.AlterField(
                    model_name="fulfillment",
                    name="shipment",
                    field=models.ForeignKey(
                        help_text="The call reported this shipment to Shopify.",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="fulfillments",
                        to="fulfillment.shipment",
                    ),
                ),
                migrations.AlterField(
                    model_name="order",
                    name="change_summary",
                    field=models.TextField(
                        blank=True,
                        db_column="wish_words",
                        db_default="",
                        default="",
                        help_text="This says what we asked warehouses after a change in Shopify, and what they answered.",
                    ),
                ),
                migrations.AlterField(
                    model_name="order",
                    name="deferred_detail",
                    field=models.TextField(
                        blank=True,
                        db_column="rest_detail",
                        db_default="",
                        default="",
                        help_text="This says which units may not go yet, and what they wait for.",
                    ),
                ),
                migrations.AlterField(
                    model_name="order",
                    name="deferred_reason",
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
                            ("shipment_held", "a shipment left that Shopify does not know of"),
                            ("cancel_asked", "cancelled at Shopify; the warehouse was asked to cancel it"),
                        ],
                        db_column="rest_reason",
                        db_default="",
                        default="",
                        help_text="This says why a part of the order may not go yet, even if other parts were sent.",
                        max_length=30,
                    ),
                ),
                migrations.AlterField(
                    model_name="order",
                    name="deferred_until",
                    field=models.DateTimeField(
                        blank=True,
                        db_column="rest_from",
                        help_text="The first scheduled part may go from this time on; it is empty if no part has a date.",
                        null=True,
                    ),
                ),
                migrations.AlterField(
                    model_name="order",
                    name="lag_started_at",
                    field=models.DateTimeField(
                        blank=True,
                        db_column="owed_from",
                        editable=False,
                        help_text="We have had units to send since this time that no warehouse was given yet. The time is read from a clock that stops while the order waits for others. It is empty if there are no such units.",
                        null=True,
                    ),
                ),
                migrations.AlterField(
                    model_name="order",
                    name="ready_at",
                    field=models.DateTimeField(
                        blank=True,
                        help_text="Shopify last released the order, or a further part of it, at this time; it is empty before that.",
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
                            ("shipment_held", "a shipment left that Shopify does not know of"),
                            ("cancel_asked", "cancelled at Shopify; the warehouse was asked to cancel it"),
                        ],
                        default="",
                        help_text="This says why the order waits or is held; it is empty if the state needs no reason.",
                        max_length=30,
                    ),
                ),
                migrations.AlterField(
                    model_name="order",
                    name="routing",
                    field=models.JSONField(
                        blank=True,
                        help_text="This is the last choice of a warehouse, with the finding about each warehouse; it is empty before the first choice.",
                        null=True,
                    ),
                ),
                migrations.AlterField(
                    model_name="order",
                    name="shipping_method",
                    field=models.CharField(
                        blank=True,
                        default="",
                        help_text="The customer chose this shipping method; the WMS gets its name.",
                        max_length=255,
                    ),
                ),
                migrations.AlterField(
                    model_name="order",
                    name="surplus",
                    field=models.JSONField(
                        blank=True,
                        help_text="Warehouses still have these units although Shopify no longer asks for them. The time when we first saw this is stored with them. It is empty if there are no such units.",
                        null=True,
                    ),
                ),
                migrations.AlterField(
                    model_name="orderline",
                    name="quantity",
                    field=models.PositiveIntegerField(
                        help_text="The order has this many units of the line now: the ordered units without the removed ones."
                    ),
                ),
                migrations.AlterField(
                    model_name="return",
                    name="reason",
                    field=models.CharField(
                        help_text="The goods come back for this reason. The WMS gets it when we announce the return.",
                        max_length=255,
                    ),
                ),
                migrations.AlterField(
                    model_name="return",
                    name="remote_id",
                    field=models.CharField(
                        blank=True,
                        db_column="wms_return_id",
                        default="",
                        help_text="The WMS knows the return by this number; it is empty until we know the number.",
                        max_length=255,
                        verbose_name="WMS return ID",
                    ),
                ),
                migrations.AlterField(
                    model_name="shipment",
                    name="attempt_at",
                    field=models.DateTimeField(
                        blank=True,
                        help_text="The last try to make a fulfilment in Shopify began at this time; it is empty before the first.",
                        null=True,
                    ),
                ),
                migrations.AlterField(
                    model_name="shipment",
                    name="held_fingerprint",
                    field=models.CharField(
                        blank=True,
                        db_column="held_for",
                        db_default="",
                        default="",
                        help_text="This is a fingerprint of what Shopify asked for when the shipment was held. If it changes, we try again.",
                        max_length=64,
                    ),
                ),
                migrations.AlterField(
                    model_name="shipment",
                    name="resumed_at",
                    field=models.DateTimeField(
                        blank=True,
                        db_column="went_on_at",
                        help_text="The shipment went on to Shopify again at this time, after it was held or more of it was reported. It is empty if it was never stopped.",
                        null=True,
                    ),
                ),
                migrations.AlterField(
                    model_name="shipment",
                    name="state",
                    field=models.CharField(
                        choices=[
                            ("received", "received"),
                            ("held", "held: a person is needed"),
                            ("fulfilling", "being reported to Shopify: the outcome is not known yet"),
                            ("fulfilled", "a fulfilment at Shopify"),
                            ("partial_kit", "waits for the rest of its kit"),
                            ("cancelled", "its fulfilment was cancelled in Shopify: a person decides"),
                            ("closed", "a person decided to report nothing more of it"),
                        ],
                        default="received",
                        help_text="This says how far the shipment is on its way to being a fulfilment in Shopify.",
                        max_length=12,
                    ),
                ),
                migrations.AlterField(
                    model_name="shipmentunit",
                    name="fulfilled",
                    field=models.PositiveIntegerField(
                        db_column="told",
                        db_default=0,
                        default=0,
                        help_text="Shopify has a fulfilment of this many of the units.",
                    ),
                ),
                migrations.AlterField(
                    model_name="shipmentunit",
                    name="sent_again",
                    field=models.PositiveIntegerField(
                        db_default=0,
                        default=0,
                        help_text="A person decided to send this many of the units once more, so no fulfilment of this shipment has them.",
                    ),
                ),
                migrations.AlterField(
                    model_name="wmsorder",
                    name="at_location_since",
                    field=models.DateTimeField(
                        blank=True,
                        db_column="stands_here_since",
                        help_text="We have known since this time that Shopify wants these goods sent from the warehouse's location; it is empty until then.",
                        null=True,
                    ),
                ),
                migrations.AlterField(
                    model_name="wmsorder",
                    name="cancel_requested_at",
                    field=models.DateTimeField(
                        blank=True,
                        help_text="We have wanted the WMS to cancel the order since this time; it is empty if we never did.",
                        null=True,
                    ),
                ),
                migrations.AlterField(
                    model_name="wmsorder",
                    name="change_answer",
                    field=models.TextField(
                        blank=True,
                        db_column="wish_answer",
                        db_default="",
                        default="",
                        help_text="The WMS gave this answer; it is empty if it gave none.",
                    ),
                ),
                migrations.AlterField(
                    model_name="wmsorder",
                    name="change_request",
                    field=models.CharField(
                        choices=[
                            ("none", "nothing"),
                            ("cancel_asked", "asked to cancel it"),
                            ("cancel_declined", "declined to cancel it"),
                            ("less_asked", "asked to send less"),
                            ("less_taken", "agreed to send less"),
                            ("less_declined", "declined to send less"),
                        ],
                        db_column="wish",
                        db_default="none",
                        default="none",
                        help_text="This says what we last asked the WMS after a change in Shopify, and whether it agreed.",
                        max_length=20,
                    ),
                ),
                migrations.AlterField(
                    model_name="wmsorder",
                    name="finished_at",
                    field=models.DateTimeField(
                        blank=True,
                        help_text="The WMS reported at this time, by its own clock, that it sends nothing more of the order; it is empty until then.",
                        null=True,
                    ),
                ),
                migrations.AlterField(
                    model_name="wmsorder",
                    name="lag_started_at",
                    field=models.DateTimeField(
                        blank=True,
                        db_column="owed_from",
                        editable=False,
                        help_text="We have had these units to send since this time. The time is read from a clock that stops while the order waits for others. It is empty if the time is not known.",
                        null=True,
                    ),
                ),
                migrations.AlterField(
                    model_name="wmsorder",
                    name="reductions",
                    field=models.PositiveIntegerField(
                        db_column="changes",
                        db_default=0,
                        default=0,
                        help_text="We asked the WMS this often to send less. The number tells these requests apart.",
                    ),
                ),
                migrations.AlterField(
                    model_name="wmsorder",
                    name="remainder_unwanted",
                    field=models.BooleanField(
                        db_column="rest_unwanted",
                        db_default=False,
                        default=False,
                        help_text="This is set if Shopify no longer asks for the units that were not shipped, so nobody waits for them.",
                    ),
                ),
                migrations.AlterField(
                    model_name="wmsorderline",
                    name="reduce_to",
                    field=models.PositiveIntegerField(
                        blank=True,
                        help_text="We asked the WMS to send only this many units, and wait for its answer; it is empty if we did not.",
                        null=True,
                    ),
                ),
                migrations.AlterField(
                    model_name="wmsorderline",
                    name="sent_again",
                    field=models.PositiveIntegerField(
                        db_default=0,
                        default=0,
                        help_text="A person decided to send this many Shopify units once more; they no longer count as given to the warehouse.",
                    ),
                ),
                migrations.AddIndex(
                    model_name="order",
                    index=models.Index(
                        condition=models.Q(("deferred_until__isnull", False)),
                        fields=["deferred_until"],
                        name="order_with_a_scheduled_part",
                    ),
                ),
                migrations.AddIndex(
                    model_name="order",
                    index=models.Index(
                        condition=models.Q(("lag_started_at__isnull", False)),
                        fields=["lag_started_at"],
                        name="order_owed",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="order",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            (
                                "deferred_reason__in",
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
                migrations.AddConstraint(
                    model_name="shipmentunit",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            (
                                "quantity__gte",
                                django.db.models.expressions.CombinedExpression(
                                    models.F("fulfilled"), "+", models.F("sent_again")
                                ),
                            )
                        ),
                        name="shipment_unit_tells_no_more_than_left",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="wmsorder",
                    constraint=models.CheckConstraint(
                        condition=models.Q(
                            (
                                "change_request__in",
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
        ),
    ]
