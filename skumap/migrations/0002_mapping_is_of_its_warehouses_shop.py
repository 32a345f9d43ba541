from django.db import migrations

# Not valid at first: writers are held up for a moment only, and old rows that disagree do not stop a deployment. They
# are named; every new row, and every change of an old one, is checked from here on.
ADD = """
ALTER TABLE wms_sku_map ADD CONSTRAINT mapping_is_of_its_warehouses_shop
    FOREIGN KEY (warehouse_id, shop_id) REFERENCES warehouse_locations (id, shop_id) NOT VALID
"""

VALIDATE = """
DO $$
BEGIN
    ALTER TABLE wms_sku_map VALIDATE CONSTRAINT mapping_is_of_its_warehouses_shop;
EXCEPTION WHEN foreign_key_violation THEN
    RAISE WARNING 'SKU mappings of one shop name a warehouse of another: %; correct them and run '
        'ALTER TABLE wms_sku_map VALIDATE CONSTRAINT mapping_is_of_its_warehouses_shop',
        (SELECT array_agg(m.id) FROM (SELECT s.id FROM wms_sku_map s JOIN warehouse_locations w
            ON w.id = s.warehouse_id WHERE w.shop_id <> s.shop_id ORDER BY s.id LIMIT 100) m);
END $$
"""


class Migration(migrations.Migration):
    """A mapping's shop is its warehouse's shop: by the database, whoever writes it."""

    atomic = False

    dependencies = [("skumap", "0001_initial"), ("wms", "0004_warehouse_with_its_shop")]

    operations = [
        migrations.RunSQL(ADD, "ALTER TABLE wms_sku_map DROP CONSTRAINT mapping_is_of_its_warehouses_shop"),
        migrations.RunSQL(VALIDATE, migrations.RunSQL.noop),
    ]
