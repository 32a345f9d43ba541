"""Tables of goods that come back."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from fulfillment.models.states import ReturnState
from fulfillment.refs import ReturnPk, external_subject
from ops.refs import Subject
from wms.ids import ExternalId, RemoteReturnId


class Return(models.Model):
    """Goods that are to come back to a warehouse."""

    id: ReturnPk
    wms_order = models.ForeignKey(
        "fulfillment.WmsOrder",
        on_delete=models.PROTECT,
        related_name="returns",
        verbose_name="WMS order",
        help_text="The goods were asked for with this WMS order.",
    )
    external_id: models.CharField[ExternalId, ExternalId] = models.CharField(
        "external ID",
        max_length=300,
        unique=True,
        help_text="We give the WMS this identifier, which never changes, so that no return is announced twice.",
    )
    remote_id: models.CharField[RemoteReturnId, RemoteReturnId] = models.CharField(
        "WMS return ID",
        max_length=255,
        blank=True,
        default="",
        help_text="The WMS knows the return by this number; it is empty until we know the number.",
        db_column="wms_return_id",
    )
    state = models.CharField(
        max_length=12,
        choices=ReturnState.choices,
        default=ReturnState.REQUESTING,
        help_text="This says where the return stands: whether it is announced, and whether the goods have arrived.",
    )
    reason = models.CharField(
        max_length=255,
        help_text="The goods come back for this reason. The WMS gets it when we announce the return.",
    )
    label_url = models.URLField(
        "label URL",
        max_length=1000,
        blank=True,
        default="",
        help_text="The WMS offers the return label at this address; it is empty if it offers none.",
    )
    requested_at = models.DateTimeField(db_default=Now(), help_text="We opened the return at this time.")
    attempt_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The last try to announce the return began at this time; it is empty if there was none.",
    )
    received_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="We recorded at this time that goods came back; it is empty until then.",
    )
    reported_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The WMS made its newest report of what came back at this time, by its own clock; it is empty "
        "before the first.",
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=ReturnState.values), name="return_state_is_known"),
        ]
        indexes = [models.Index(fields=["remote_id"], name="return_wms_id")]

    def __str__(self) -> str:
        return self.external_id

    @property
    def subject(self) -> Subject:
        """The subject of jobs and alerts about this return."""
        return external_subject(self.external_id)


class ReturnLine(models.Model):
    """Units of one WMS item that are to come back, and what came back."""

    parent = models.ForeignKey(
        Return, on_delete=models.CASCADE, related_name="lines", help_text="The line belongs to this return."
    )
    item_code = models.CharField(max_length=255, help_text="The WMS knows the item by this code.")
    quantity = models.PositiveIntegerField(
        default=0, help_text="We told the WMS to expect this many units; it is 0 if we did not announce them."
    )
    sellable = models.PositiveIntegerField(
        default=0, help_text="This many units came back in a condition in which they can be sold again."
    )
    damaged = models.PositiveIntegerField(
        default=0, help_text="This many units came back in any other condition."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["parent", "item_code"], name="return_line_is_one_per_item"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.item_code}"
