"""Tables of goods that come back. Imported by fulfillment.models."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from fulfillment.states import ReturnState


class Return(models.Model):
    """Goods that are to come back to a warehouse."""

    wms_order = models.ForeignKey(
        "fulfillment.WmsOrder", on_delete=models.PROTECT, related_name="returns", verbose_name="WMS order"
    )
    external_id = models.CharField("external ID", max_length=300, unique=True)
    wms_return_id = models.CharField("WMS return ID", max_length=255, blank=True, default="")
    state = models.CharField(max_length=12, choices=ReturnState.choices, default=ReturnState.REQUESTING)
    reason = models.CharField(max_length=255)
    label_url = models.URLField("label URL", max_length=1000, blank=True, default="")
    requested_at = models.DateTimeField(db_default=Now())
    attempt_at = models.DateTimeField(null=True, blank=True, help_text="When it was last being announced.")
    received_at = models.DateTimeField(null=True, blank=True)
    reported_at = models.DateTimeField(
        null=True, blank=True, help_text="The WMS's time of the last report of what came back."
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=ReturnState.values), name="return_state_is_known"),
        ]
        indexes = [models.Index(fields=["wms_return_id"], name="return_wms_id")]

    def __str__(self) -> str:
        return self.external_id


class ReturnLine(models.Model):
    """Units of one WMS item that are to come back, and what came back."""

    parent = models.ForeignKey(Return, on_delete=models.CASCADE, related_name="lines")
    item_code = models.CharField(max_length=255)
    quantity = models.PositiveIntegerField(default=0)
    sellable = models.PositiveIntegerField(default=0)
    damaged = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["parent", "item_code"], name="return_line_is_one_per_item"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.item_code}"
