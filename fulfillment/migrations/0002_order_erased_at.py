from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("fulfillment", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="order",
            name="erased_at",
            field=models.DateTimeField(
                blank=True, help_text="When the customer's data was erased: not needed any more.", null=True
            ),
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                condition=models.Q(("erased_at__isnull", True)),
                fields=["state", "state_since"],
                name="order_to_erase",
            ),
        ),
    ]
