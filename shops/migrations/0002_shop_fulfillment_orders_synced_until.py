from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shops", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="shop",
            name="fulfillment_orders_synced_until",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
    ]
