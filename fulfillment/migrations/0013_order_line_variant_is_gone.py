from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("fulfillment", "0012_units_sent_again"),
    ]

    operations = [
        migrations.AddField(
            model_name="orderline",
            name="variant_is_gone",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Shopify named a variant once, and names none any more.",
            ),
        ),
    ]
