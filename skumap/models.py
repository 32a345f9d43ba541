from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from ops.text.entered_text import validate_line
from shops.ids import InventoryItemId, VariantId
from shops.models import Shop
from wms.models import Warehouse


class SkuMapping(models.Model):
    """A rule that one sold unit of the variant is `quantity` units of this item at this warehouse.

    A pack has a quantity above one; a kit is several rows for one variant at one warehouse.
    """

    shop = models.ForeignKey(
        Shop,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The variant is sold in this Shopify store.",
    )
    shopify_variant_id: models.BigIntegerField[VariantId, VariantId] = models.BigIntegerField(
        "Shopify variant ID", help_text="Shopify knows the product variant by this number."
    )
    shopify_sku = models.CharField(
        "Shopify SKU",
        max_length=255,
        blank=True,
        validators=[validate_line],
        help_text="The variant had this SKU in Shopify when it was mapped.",
    )
    shopify_inventory_item_id: models.BigIntegerField[InventoryItemId, InventoryItemId] = (
        models.BigIntegerField(
            "Shopify inventory item ID", help_text="Shopify keeps the stock of the variant under this number."
        )
    )
    wms_item_code = models.CharField(
        "WMS item code",
        max_length=255,
        validators=[validate_line],
        help_text="The WMS knows the item by this code.",
    )
    warehouse = models.ForeignKey(
        Warehouse, on_delete=models.PROTECT, related_name="+", help_text="The mapping is for this warehouse."
    )
    quantity = models.PositiveIntegerField(
        default=1, help_text="One sold unit of the variant is this many units of the item."
    )
    is_active = models.BooleanField(default=True, help_text="If this is not set, the mapping is not used.")
    needs_verification = models.BooleanField(
        default=False,
        help_text="This is set if Shopify shows the variant otherwise than it was mapped, or no longer has it.",
    )
    last_verified_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Shopify last confirmed the mapping at this time; it is empty if it never did.",
    )
    created_at = models.DateTimeField(
        db_default=Now(), editable=False, help_text="The mapping was made at this time."
    )
    updated_at = models.DateTimeField(
        auto_now=True, db_default=Now(), help_text="The mapping was last changed at this time."
    )

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
        """Refuse another shop than the warehouse's, as the database does. Raises ValidationError."""
        if self.warehouse_id and self.shop_id and self.warehouse.shop_id != self.shop_id:
            raise ValidationError(f"{self.warehouse} is no warehouse of {self.shop}.")

    def __str__(self) -> str:
        return f"{self.shopify_sku or self.shopify_variant_id} → {self.quantity} × {self.wms_item_code}"
