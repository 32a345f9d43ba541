from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from ops.net import targets
from ops.refs import LaneName, Subject, inbound, lane_subject
from ops.secrets import EncryptedTextField
from ops.text import moments
from ops.text.entered_text import validate_line, validate_token
from shops.ids import LocationId
from shops.models import Shop
from wms.ids import ConnectionPk, WarehousePk
from wms.refs import connection_lane


class Connection(models.Model):
    """One account at one warehouse management system."""

    id: ConnectionPk

    class StockBasis(models.TextChoices):
        """The quantity of the WMS that counts for stock."""

        AVAILABLE = "available", "available (net of orders the WMS has)"
        ON_HAND = "on_hand", "on hand (what lies on the shelf)"

    slug = models.SlugField(
        max_length=50, unique=True, help_text="This short name is part of the callback URL."
    )
    name = models.CharField(
        max_length=255,
        blank=True,
        default="",
        validators=[validate_line],
        help_text="Staff know the account by this name; it may be empty.",
    )
    adapter = models.CharField(
        max_length=30, default="rest", help_text="This names the interface that the WMS speaks."
    )
    base_url = models.CharField(
        "base URL",
        max_length=500,
        validators=[targets.validate],
        help_text="Calls to the WMS go to this address, with https://. Whoever moves it to another host enters the "
        "token again.",
    )
    token = EncryptedTextField(
        blank=True,
        default="",
        bound_to=("slug", "origin"),
        validators=[validate_token],
        help_text="We send this token with each call, so that the WMS knows us.",
    )
    callback_secret = EncryptedTextField(
        blank=True,
        default="",
        bound_to=("slug",),
        validators=[validate_line],
        help_text="The WMS signs its callbacks with this secret.",
    )
    callback_secret_previous = EncryptedTextField(
        blank=True,
        default="",
        bound_to=("slug",),
        validators=[validate_line],
        help_text="Callbacks that are signed with this former secret are still accepted.",
    )
    capabilities = ArrayField(
        models.CharField(max_length=30),
        null=True,
        blank=True,
        help_text="This says what the account can do; if it is empty, it can do all that the adapter declares.",
    )
    stock_basis = models.CharField(
        max_length=10,
        choices=StockBasis.choices,
        default=StockBasis.AVAILABLE,
        help_text="This says which of the WMS's figures is the truth about stock.",
    )
    time_zone = models.CharField(
        max_length=64,
        default="UTC",
        db_default="UTC",
        validators=[moments.validate_zone],
        help_text="Times that this WMS writes without a zone are in this one. Times with a zone are taken as they "
        "are.",
    )
    is_active = models.BooleanField(
        default=True, help_text="If this is not set, no calls go to the WMS, and its work waits."
    )
    created_at = models.DateTimeField(
        db_default=Now(), editable=False, help_text="The connection was added at this time."
    )

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.CheckConstraint(
                condition=Q(stock_basis__in=["available", "on_hand"]),
                name="connection_stock_basis_is_known",
            ),
        ]

    def __str__(self) -> str:
        return self.slug

    @property
    def lane(self) -> LaneName:
        """The lane of calls to this WMS."""
        return connection_lane(self.slug)

    @property
    def inbox_lane(self) -> LaneName:
        """The lane of what this WMS sent us: local work, so an outage of the WMS does not hold it up."""
        return inbound(self.lane)

    @property
    def subject(self) -> Subject:
        """What is about the connection as such is filed under: it stands with the jobs of its lane."""
        return lane_subject(self.lane)

    @property
    def origin(self) -> str:
        """The host that the token belongs to; the token cannot be decrypted for another host."""
        return targets.origin(self.base_url)

    @property
    def hmac_secrets(self) -> list[str]:
        """The secrets that a callback may be signed with: the current one, then the previous one during a rotation."""
        return [s for s in (self.callback_secret, self.callback_secret_previous) if s]


class Warehouse(models.Model):
    """A warehouse of a connection, tied to one Shopify location of one shop."""

    id: WarehousePk
    shop = models.ForeignKey(
        Shop,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The warehouse sends orders of this Shopify store.",
    )
    connection = models.ForeignKey(
        Connection,
        on_delete=models.PROTECT,
        related_name="warehouses",
        help_text="The warehouse belongs to this WMS account.",
    )
    name = models.CharField(
        max_length=255, validators=[validate_line], help_text="Staff know the warehouse by this name."
    )
    wms_warehouse_code = models.CharField(
        "WMS warehouse code",
        max_length=100,
        validators=[validate_line],
        help_text="The WMS knows the warehouse by this code.",
    )
    shopify_location_id: models.BigIntegerField[LocationId, LocationId] = models.BigIntegerField(
        "Shopify location ID", help_text="The warehouse is the Shopify location with this number."
    )
    priority = models.PositiveIntegerField(
        default=100, help_text="The warehouse with the lowest number is tried first."
    )
    serves_countries = ArrayField(
        models.CharField(max_length=2),
        default=list,
        blank=True,
        help_text="The warehouse sends to these countries (ISO codes, comma-separated); if it is empty, to every "
        "country.",
    )
    latitude = models.DecimalField(
        max_digits=9,
        decimal_places=6,
        null=True,
        blank=True,
        help_text="This is where the warehouse lies, in degrees; it is stored, and not used for the choice of a "
        "warehouse.",
    )
    longitude = models.DecimalField(
        max_digits=9,
        decimal_places=6,
        null=True,
        blank=True,
        help_text="This is where the warehouse lies, in degrees; it is stored, and not used for the choice of a "
        "warehouse.",
    )
    daily_capacity = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="The warehouse gets at most this many orders a day (UTC); if it is empty, there is no limit.",
    )
    paused = models.BooleanField(
        default=False, help_text="If this is set, the warehouse gets no new orders for now."
    )
    is_active = models.BooleanField(
        default=True, help_text="If this is not set, the warehouse gets no orders at all."
    )
    created_at = models.DateTimeField(
        db_default=Now(), editable=False, help_text="The warehouse was added at this time."
    )

    class Meta:
        db_table = "warehouse_locations"
        ordering = ["shop", "priority", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["shop", "shopify_location_id"], name="warehouse_is_one_per_shopify_location"
            ),
            models.UniqueConstraint(
                fields=["shop", "connection", "wms_warehouse_code"], name="warehouse_is_one_per_code"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.shop.domain}: {self.place}"

    @property
    def place(self) -> str:
        """A text that is unique within its shop, where two warehouses may have the same name."""
        return f"{self.name} ({self.connection.slug}/{self.wms_warehouse_code})"
