from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inventory", "0001_initial"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="stocklevel",
            index=models.Index(fields=["item_code", "warehouse"], name="level_by_item"),
        ),
    ]
