from datetime import timedelta

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("fulfillment", "0014_labels"),
    ]

    operations = [
        migrations.AddField(
            model_name="order",
            name="owed_from",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="Since when units that no warehouse was given are ours to send, by the order's own clock.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="order",
            name="waited_at_shopify",
            field=models.DurationField(
                db_default=timedelta(0),
                default=timedelta,
                help_text="In all, until it last went on: unpaid, scheduled, on hold, or without fulfilment orders.",
                verbose_name="waited at Shopify",
            ),
        ),
        migrations.AddField(
            model_name="order",
            name="waited_for_person",
            field=models.DurationField(
                db_default=timedelta(0),
                default=timedelta,
                help_text="In all, until it last went on: held.",
                verbose_name="waited for a person",
            ),
        ),
        migrations.AddField(
            model_name="shipment",
            name="emitted_at",
            field=models.DateTimeField(
                blank=True,
                help_text="The WMS's time of the first report; ours where its clock is ahead.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="shipment",
            name="went_on_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When it was to be told (again): it was held, or more of it was reported.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="wmsorder",
            name="lag",
            field=models.DurationField(
                blank=True,
                help_text="From the first notice, or from when this part could go, to the WMS's confirmation, "
                "without the time that the order waited for Shopify or a person.",
                null=True,
                verbose_name="submission lag",
            ),
        ),
        migrations.AddField(
            model_name="wmsorder",
            name="owed_from",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="Since when its units were ours to send, by the order's own clock.",
                null=True,
            ),
        ),
    ]
