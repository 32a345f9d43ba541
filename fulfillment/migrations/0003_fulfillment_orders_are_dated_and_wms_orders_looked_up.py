from django.db import migrations, models
from django.db.models import Q
from django.db.models.functions import Now

from wms.vocabulary.statuses import AT_THE_WMS


class Migration(migrations.Migration):
    dependencies = [("fulfillment", "0002_order_erased_at")]

    operations = [
        migrations.AddField(
            model_name="fulfillmentorder",
            name="shopify_updated_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="wmsorder",
            name="look_up_at",
            field=models.DateTimeField(
                db_default=Now(),
                editable=False,
                help_text="When the WMS is asked, unless it tells something before.",
            ),
        ),
        migrations.AddIndex(
            model_name="wmsorder",
            index=models.Index(
                fields=["look_up_at"], name="wms_order_to_look_up", condition=Q(wms_status__in=AT_THE_WMS)
            ),
        ),
    ]
