"""The console's page of SKU mappings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget, UnfoldBooleanWidget

from ops.admin import ConsoleAdmin
from skumap.mappings import identities
from skumap.models import SkuMapping
from skumap.transfer.csv_rows import COLUMNS
from skumap.transfer.importing import ImportReport, import_csv
from skumap.verification import review
from wms.console.list_filters import WarehouseFilter
from wms.models import Warehouse

MAX_UPLOAD_BYTES = 4 * 1024 * 1024
"""The largest file that a web request imports; `import_skus` streams files of any size."""


class MappingForm(forms.ModelForm[SkuMapping]):
    """A form for one mapping; its shop is that of the warehouse."""

    class Meta:
        model = SkuMapping
        fields = [
            "warehouse",
            "shopify_variant_id",
            "shopify_sku",
            "shopify_inventory_item_id",
            "wms_item_code",
            "quantity",
            "is_active",
            "needs_verification",
        ]

    def clean_quantity(self) -> int:
        """Refuse a quantity below one. Raises ValidationError."""
        quantity = int(self.cleaned_data["quantity"])
        if quantity < 1:
            raise ValidationError("One sold unit needs at least one unit of the item.")
        return quantity

    def clean(self) -> dict[str, Any]:
        """Set the shop, and clear the mark if a person entered another SKU or inventory item: they have verified it."""
        cleaned = super().clean() or self.cleaned_data
        if {"shopify_sku", "shopify_inventory_item_id"} & set(self.changed_data):
            cleaned["needs_verification"] = False
        if warehouse := cleaned.get("warehouse"):
            self.instance.shop = warehouse.shop
            self._refuse_foreign_inventory_item(cleaned, shop_id=warehouse.shop_id)
        return cleaned

    def _refuse_foreign_inventory_item(self, cleaned: dict[str, Any], *, shop_id: int) -> None:
        """Refuse an inventory item that another variant has. A lock keeps others from saving one meanwhile."""
        variant, item = cleaned.get("shopify_variant_id"), cleaned.get("shopify_inventory_item_id")
        if not (variant and item and cleaned.get("is_active")):
            return
        if not identities.lock(shop_id):
            self.add_error(
                None, "Somebody else is importing or saving mappings of this shop: save again in a moment."
            )
        elif other := identities.owner(shop_id, inventory_item=item, besides=variant):
            words = identities.conflict_text(other)
            self.add_error("shopify_inventory_item_id", f"{words[0].upper()}{words[1:]}.")

    def _get_validation_exclusions(self) -> set[str]:
        """Check the uniqueness with the shop, which is not a field of the form, once a warehouse was chosen."""
        known = {"shop"} if self.instance.shop_id else set()
        return super()._get_validation_exclusions() - known  # type: ignore[misc]


class WarehouseField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """A choice of warehouses with their shops, because warehouses of two shops may have the same name."""

    def label_from_instance(self, warehouse: Model) -> str:
        """Return shop, name and code."""
        assert isinstance(warehouse, Warehouse)  # noqa: S101
        return str(warehouse)


class UploadForm(forms.Form):
    """A CSV file for one warehouse."""

    warehouse = WarehouseField(
        Warehouse.objects.select_related("shop", "connection"),
        widget=UnfoldAdminSelectWidget,
        empty_label=None,
    )
    file = forms.FileField(
        widget=UnfoldAdminFileFieldWidget,
        help_text=f"CSV (UTF-8) with the columns {', '.join(COLUMNS)}; the last is optional.",
    )
    dry_run = forms.BooleanField(
        required=False, initial=True, widget=UnfoldBooleanWidget, label="Only say what would change"
    )

    def clean_file(self) -> Any:
        """Refuse a file that is too large for a web request. Raises ValidationError."""
        file = self.cleaned_data["file"]
        if file.size > MAX_UPLOAD_BYTES:
            most = MAX_UPLOAD_BYTES // 1024 // 1024
            raise ValidationError(f"The file is larger than {most} MB: import it with manage.py import_skus.")
        return file


@admin.register(SkuMapping)
class SkuMappingAdmin(ConsoleAdmin):
    """SKU mappings: the WMS items of sold variants."""

    form = MappingForm
    switched_off_instead = True
    list_display = [
        "shopify_sku",
        "shopify_variant_id",
        "wms_item_code",
        "quantity",
        "warehouse",
        "shop",
        "verified",
        "is_active",
    ]
    empty_words = {"needs_verification__exact=1": "No SKU is to be verified."}
    list_filter = ["needs_verification", "is_active", "shop", ("warehouse", WarehouseFilter)]
    list_select_related = ["shop", "warehouse__shop", "warehouse__connection"]
    search_fields = ["shopify_sku", "wms_item_code", "=shopify_variant_id", "=shopify_inventory_item_id"]
    readonly_fields = ["shop", "last_verified_at", "created_at", "updated_at"]
    show_full_result_count = False
    actions = ["ask_shopify", "adopt_from_shopify", "switch_off"]
    actions_list = ["upload"]

    @display(description="Verified", label={"to verify": "warning", "yes": "success"})
    def verified(self, mapping: SkuMapping) -> str:
        """Say in words whether it needs verification: a green tick would look as if nobody had to act."""
        return "to verify" if mapping.needs_verification else "yes"

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Read warehouses together with what their names need."""
        if db_field.name == "warehouse":
            kwargs["queryset"] = Warehouse.objects.select_related("shop", "connection")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(
        self, request: HttpRequest, obj: SkuMapping, form: forms.ModelForm[SkuMapping], change: bool
    ) -> None:
        """Save, and wake what waits for the mapping (the admin has a transaction open)."""
        super().save_model(request, obj, form, change)
        corrected = identities.correct_other_warehouses(obj) if obj.is_active else 0
        review.mapping_saved([obj])
        if obj.is_active and {"shopify_variant_id", "shopify_inventory_item_id", "is_active"} & set(
            form.changed_data
        ):
            review.ask(obj.shop, variants=[obj.shopify_variant_id])
        if corrected:
            words = f"The inventory item was corrected in {corrected} mappings of the variant at other warehouses too."
            self.message_user(request, words, messages.SUCCESS)

    @admin.action(description="Compare with Shopify", permissions=["change"])
    def ask_shopify(self, request: HttpRequest, chosen: QuerySet[SkuMapping]) -> None:
        """Enqueue jobs that read the variants of the chosen mappings."""
        self._each_shop(request, chosen, review.ask)

    @admin.action(description="Adopt what Shopify shows (the item is still right)", permissions=["change"])
    def adopt_from_shopify(self, request: HttpRequest, chosen: QuerySet[SkuMapping]) -> None:
        """Enqueue jobs that read the variants and write Shopify's SKU and inventory item to the mappings."""
        self._each_shop(request, chosen, review.ask_to_adopt)

    @admin.action(description="Switch off", permissions=["change"])
    def switch_off(self, request: HttpRequest, chosen: QuerySet[SkuMapping]) -> None:
        """Switch the chosen mappings off, so that orders no longer use them."""
        with transaction.atomic():
            mappings = list(chosen.filter(is_active=True).select_related("shop").order_by("pk"))
            ids = [mapping.pk for mapping in mappings]
            SkuMapping.objects.filter(pk__in=ids).update(is_active=False, updated_at=Now())
            for mapping in mappings:
                mapping.is_active = False
            review.mapping_saved(mappings)
        self.message_user(request, f"{len(mappings)} mappings switched off.", messages.SUCCESS)

    @action(description="Import a CSV file", url_path="upload", permissions=["upload"])
    def upload(self, request: HttpRequest) -> HttpResponse:
        """Import a CSV file, as `import_skus` does."""
        form = UploadForm(request.POST or None, request.FILES or None)
        report: ImportReport | None = None
        if request.method == "POST" and form.is_valid():
            warehouse, dry_run = form.cleaned_data["warehouse"], form.cleaned_data["dry_run"]
            report = import_csv(
                form.cleaned_data["file"], shop=warehouse.shop, warehouse=warehouse, dry_run=dry_run
            )
            if not report.errors and not dry_run:
                self.message_user(request, _sentence(report, dry_run=False), messages.SUCCESS)
                return HttpResponseRedirect(reverse("admin:skumap_skumapping_changelist"))
        context = {
            **self.admin_site.each_context(request),
            "title": "Import SKU mappings",
            "form": form,
            "errors": report.errors[:200] if report else (),
            "outcome": _sentence(report, dry_run=True) if report and not report.errors else "",
            "opts": self.model._meta,
        }
        return TemplateResponse(request, "admin/skumap/upload.html", context)

    def has_upload_permission(self, request: HttpRequest) -> bool:
        """An import adds and changes mappings, so it needs both permissions."""
        return bool(self.has_add_permission(request) and self.has_change_permission(request))

    def _each_shop(
        self, request: HttpRequest, chosen: QuerySet[SkuMapping], ask: Callable[..., None]
    ) -> None:
        """Call `ask` with each shop, and the variants of its chosen mappings."""
        mappings = list(chosen.filter(is_active=True).select_related("shop"))
        with transaction.atomic():
            for shop in {mapping.shop for mapping in mappings}:
                variants = {m.shopify_variant_id for m in mappings if m.shop_id == shop.pk}
                ask(shop, variants=variants)
        self.message_user(
            request, f"{len(mappings)} mappings are being compared with Shopify.", messages.SUCCESS
        )


def _sentence(report: ImportReport, *, dry_run: bool) -> str:
    return f"{'Would be' if dry_run else 'Imported'}: {report.in_words()}"
