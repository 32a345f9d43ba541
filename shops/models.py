from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from ops.entered_text import validate_line, validate_token
from ops.lanes import LOCAL
from ops.secrets import EncryptedTextField

OWNER = ("domain",)
"""Whose the secrets are: they cannot be read once the domain is another's."""

API_VERSION = r"^(20\d\d-(01|04|07|10)|unstable)\Z"


class Shop(models.Model):
    """One Shopify store."""

    class SubmitPolicy(models.TextChoices):
        """From which financial status on an order may be sent to a warehouse."""

        PAID = "paid", "when paid"
        AUTHORIZED = "authorized", "when paid or authorised"
        ALWAYS = "always", "at once (cash on delivery, invoice)"

    domain = models.CharField(
        max_length=255,
        unique=True,
        validators=[RegexValidator(r"^[a-z0-9][a-z0-9-]*\.myshopify\.com\Z", "The *.myshopify.com domain.")],
    )
    name = models.CharField(max_length=255, blank=True, default="", validators=[validate_line])
    client_id = models.CharField(
        "client ID", max_length=255, blank=True, default="", validators=[validate_token]
    )
    client_secret = EncryptedTextField(blank=True, default="", bound_to=OWNER, validators=[validate_line])
    access_token = EncryptedTextField(
        blank=True,
        default="",
        bound_to=OWNER,
        validators=[validate_token],
        help_text="Legacy permanent token (shpat_…).",
    )
    issued_token = EncryptedTextField(blank=True, default="", bound_to=OWNER, editable=False)
    issued_token_issued_at = models.DateTimeField(null=True, blank=True, editable=False)
    issued_token_expires_at = models.DateTimeField(null=True, blank=True, editable=False)
    token_renewal_started_at = models.DateTimeField(null=True, blank=True, editable=False)
    webhook_secret = EncryptedTextField(blank=True, default="", bound_to=OWNER, validators=[validate_line])
    webhook_secret_previous = EncryptedTextField(
        blank=True, default="", bound_to=OWNER, validators=[validate_line]
    )
    api_version = models.CharField(
        "API version",
        max_length=10,
        default="2026-10",
        validators=[RegexValidator(API_VERSION, "A version such as 2026-10, or unstable.")],
    )
    submit_policy = models.CharField(max_length=12, choices=SubmitPolicy.choices, default=SubmitPolicy.PAID)
    submit_test_orders = models.BooleanField(default=False)
    whole_orders_only = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Nothing of an order goes while a part of it is on hold or scheduled in Shopify.",
    )
    routes_all_locations = models.BooleanField(
        default=False,
        db_default=False,
        help_text="We also route what Shopify assigned to locations that no warehouse names, such as stores.",
    )
    notify_customer = models.BooleanField(default=True, help_text="Shopify mails the customer on shipment.")
    is_active = models.BooleanField(default=True)
    uninstalled_at = models.DateTimeField(null=True, blank=True)
    orders_synced_until = models.DateTimeField(null=True, blank=True, editable=False)
    fulfillment_orders_synced_until = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

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
    def lane(self) -> str:
        """The lane of calls to this shop."""
        return f"shop:{self.domain}"

    @property
    def inbox_lane(self) -> str:
        """The lane of what this shop sent us: local work, so an outage of Shopify does not hold it up."""
        return f"shop:{self.domain}{LOCAL}"

    @property
    def hmac_secrets(self) -> list[str]:
        """Secrets a webhook may be signed with: current first, then the one being rotated out."""
        return [s for s in (self.webhook_secret or self.client_secret, self.webhook_secret_previous) if s]
