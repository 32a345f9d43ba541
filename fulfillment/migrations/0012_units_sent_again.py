from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("fulfillment", "0011_what_warehouses_are_asked_is_checked"),
    ]

    operations = [
        migrations.AddField(
            model_name="wmsorderline",
            name="sent_again",
            field=models.PositiveIntegerField(
                db_default=0,
                default=0,
                help_text="Shopify units that a person had sent once more: given to nobody here.",
            ),
        ),
    ]
