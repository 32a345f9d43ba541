from django.db import migrations


class Migration(migrations.Migration):
    """What a row that names a warehouse and a shop can refer to, so that the two cannot disagree."""

    dependencies = [("wms", "0003_addresses_and_versions_are_judged")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE warehouse_locations ADD CONSTRAINT warehouse_with_its_shop UNIQUE (id, shop_id)",
            "ALTER TABLE warehouse_locations DROP CONSTRAINT warehouse_with_its_shop",
        ),
    ]
