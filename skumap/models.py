from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from ops.entered_text import validate_line
from shops.models import Shop
from wms.models import Warehouse


class SkuMapping(models.Model):
    """One sold unit of the variant is `quantity` of this item at this warehouse.

    A pack is a quantity above one; a kit is several rows for one variant at one warehouse.
    """

    shop = models.ForeignKey(Shop, on_delete=models.PROTECT, related_name="+")
    shopify_variant_id = models.BigIntegerField("Shopify variant ID")
    shopify_sku = models.CharField("Shopify SKU", max_length=255, blank=True, validators=[validate_line])
    shopify_inventory_item_id = models.BigIntegerField("Shopify inventory item ID")
    wms_item_code = models.CharField("WMS item code", max_length=255, validators=[validate_line])
    warehouse = models.ForeignKey(Warehouse, on_delete=models.PROTECT, related_name="+")
    quantity = models.PositiveIntegerField(default=1)
    is_active = models.BooleanField(default=True)
    needs_verification = models.BooleanField(default=False)
    last_verified_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True, db_default=Now())

    class Meta:
        db_table = "wms_sku_map"
        verbose_name = "SKU mapping"
        constraints = [
            models.UniqueConstraint(
                fields=["shop", "shopify_variant_id", "warehouse", "wms_item_code"],
                name="mapping_is_one_per_variant_warehouse_and_item",
            ),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="mapping_quantity_is_positive"),
        ]
        indexes = [
            models.Index(fields=["warehouse", "wms_item_code"], name="mapping_by_item"),
            models.Index(fields=["shop", "shopify_inventory_item_id"], name="mapping_by_inventory_item"),
            models.Index(fields=["shop", "shopify_sku"], name="mapping_by_sku"),
            models.Index(fields=["shop"], name="mapping_to_verify", condition=Q(needs_verification=True)),
        ]

    def clean(self) -> None:
        """The shop is the warehouse's: the database refuses anything else. Raises ValidationError."""
        if self.warehouse_id and self.shop_id and self.warehouse.shop_id != self.shop_id:
            raise ValidationError(f"{self.warehouse} is no warehouse of {self.shop}.")

    def __str__(self) -> str:
        return f"{self.shopify_sku or self.shopify_variant_id} → {self.quantity} × {self.wms_item_code}"
