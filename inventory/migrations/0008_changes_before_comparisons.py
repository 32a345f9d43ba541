from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inventory", "0007_sold_before"),
        ("wms", "0007_entered_text_is_judged"),
    ]

    operations = [
        migrations.AddField(
            model_name="stocklevel",
            name="push_compares",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Nothing changed: Shopify's figure is to be compared, after all that did change.",
            ),
        ),
    ]
