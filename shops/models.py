from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from ops.refs import LaneName, Subject, inbound
from ops.secrets import EncryptedTextField
from ops.text.entered_text import validate_line, validate_token
from shops.ids import ShopPk
from shops.refs import shop_lane, shop_subject

OWNER = ("domain",)
"""The fields that the secrets belong to; the secrets cannot be decrypted for another domain."""

API_VERSION = r"^(20\d\d-(01|04|07|10)|unstable)\Z"


class Shop(models.Model):
    """One Shopify store."""

    id: ShopPk

    class SubmitPolicy(models.TextChoices):
        """The financial status from which an order may be sent to a warehouse."""

        PAID = "paid", "when paid"
        AUTHORIZED = "authorized", "when paid or authorised"
        ALWAYS = "always", "at once (cash on delivery, invoice)"

    domain = models.CharField(
        max_length=255,
        unique=True,
        validators=[RegexValidator(r"^[a-z0-9][a-z0-9-]*\.myshopify\.com\Z", "The *.myshopify.com domain.")],
        help_text="Shopify gave the store this domain, which ends with .myshopify.com.",
    )
    name = models.CharField(
        max_length=255,
        blank=True,
        default="",
        validators=[validate_line],
        help_text="Staff know the store by this name; it may be empty.",
    )
    client_id = models.CharField(
        "client ID",
        max_length=255,
        blank=True,
        default="",
        validators=[validate_token],
        help_text="Shopify gave your app this client ID. With the client secret we get access tokens by ourselves.",
    )
    client_secret = EncryptedTextField(
        blank=True,
        default="",
        bound_to=OWNER,
        validators=[validate_line],
        help_text="Shopify gave your app this client secret. It also signs webhooks, unless a webhook secret is set.",
    )
    access_token = EncryptedTextField(
        blank=True,
        default="",
        bound_to=OWNER,
        validators=[validate_token],
        help_text="This is a permanent access token (shpat_…) of an older app; if it is set, it is used for all "
        "calls.",
    )
    issued_token = EncryptedTextField(
        blank=True,
        default="",
        bound_to=OWNER,
        editable=False,
        help_text="Shopify issued this token for the client ID and secret; we renew it by ourselves.",
    )
    issued_token_issued_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="The token was issued at this time; it is empty if none was issued.",
    )
    issued_token_expires_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="The token is valid until this time; it is empty if there is none.",
    )
    token_renewal_started_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="A renewal of the token that has not succeeded yet began at this time; it is empty if there is "
        "none.",
    )
    webhook_secret = EncryptedTextField(
        blank=True,
        default="",
        bound_to=OWNER,
        validators=[validate_line],
        help_text="Shopify signs webhooks with this secret; leave it empty if that is the client secret.",
    )
    webhook_secret_previous = EncryptedTextField(
        blank=True,
        default="",
        bound_to=OWNER,
        validators=[validate_line],
        help_text="Webhooks that are signed with this former secret are still accepted.",
    )
    api_version = models.CharField(
        "API version",
        max_length=10,
        default="2026-10",
        validators=[RegexValidator(API_VERSION, "A version such as 2026-10, or unstable.")],
        help_text="Calls use this version of Shopify's Admin API, for example 2026-10.",
    )
    submit_policy = models.CharField(
        max_length=12,
        choices=SubmitPolicy.choices,
        default=SubmitPolicy.PAID,
        help_text="Orders go to a warehouse once they are paid as far as this says.",
    )
    submit_test_orders = models.BooleanField(
        default=False, help_text="If this is set, test orders go to warehouses too."
    )
    whole_orders_only = models.BooleanField(
        default=False,
        db_default=False,
        help_text="If this is set, nothing of an order goes while a part of it is on hold or scheduled in Shopify.",
    )
    routes_all_locations = models.BooleanField(
        default=False,
        db_default=False,
        help_text="If this is set, we also route what Shopify assigned to locations that no warehouse names, such as "
        "stores.",
    )
    notify_customer = models.BooleanField(
        default=True, help_text="If this is set, Shopify sends the customer an e-mail when goods are shipped."
    )
    is_active = models.BooleanField(
        default=True, help_text="If this is not set, no calls go to the store, and its work waits."
    )
    uninstalled_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="We learned at this time that the app was removed from the store; it is empty otherwise.",
    )
    orders_synced_until = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="All changes of orders up to this time were read, by Shopify's clock; it is empty before the first "
        "run.",
    )
    fulfillment_orders_synced_until = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="All changes of fulfilment orders up to this time were read, by Shopify's clock; it is empty "
        "before the first run.",
    )
    created_at = models.DateTimeField(
        db_default=Now(), editable=False, help_text="The store was added at this time."
    )

    class Meta:
        ordering = ["domain"]
        constraints = [
            models.CheckConstraint(
                condition=Q(submit_policy__in=["paid", "authorized", "always"]),
                name="shop_submit_policy_is_known",
            ),
        ]

    def __str__(self) -> str:
        return self.domain

    @property
    def subject(self) -> Subject:
        """What jobs and alerts about the shop itself are about."""
        return shop_subject(self.domain)

    @property
    def lane(self) -> LaneName:
        """The lane of calls to this shop."""
        return shop_lane(self.domain)

    @property
    def inbox_lane(self) -> LaneName:
        """The lane of what this shop sent us: local work, so an outage of Shopify does not hold it up."""
        return inbound(self.lane)

    @property
    def hmac_secrets(self) -> list[str]:
        """The secrets that a webhook may be signed with: the current one, then the previous one during a rotation."""
        return [s for s in (self.webhook_secret or self.client_secret, self.webhook_secret_previous) if s]
