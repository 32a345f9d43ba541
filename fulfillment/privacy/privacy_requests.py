"""What Shopify's privacy webhooks ask: read strictly, believed only where Shopify itself bears it out, told to people.

The topic of a webhook is not signed: whoever holds any signed body can send it again under these topics.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Any

import structlog
from django.db import transaction

from fulfillment import alerts
from fulfillment.privacy import erasure
from ops.errors import Permanent
from shops import jobs as shop_jobs
from shops.access import installation
from shops.api import client
from shops.api.gids import number_or_none
from shops.ids import ShopifyOrderId
from shops.models import Shop
from shops.refs import question_subject

logger = structlog.get_logger(__name__)

_LONGEST_SUBJECT = 120


def order_ids(body: dict[str, Any], name: str) -> list[ShopifyOrderId]:
    """The orders that a request names in this field; none when it is left out or null.

    Raises Permanent naming the field when its value is no list of ids.
    """
    named = body.get(name)
    if named is None:
        return []
    if not isinstance(named, list):
        raise Permanent(f"{name} is not a list of order ids but {_json_type(named)}")
    found = []
    for position, each in enumerate(named):
        number = number_or_none(each)
        if number is None:
            raise Permanent(f"{name}[{position}] is not an order id")
        found.append(ShopifyOrderId(number))
    return found


def _json_type(value: object) -> str:
    """In JSON's words; never the value, which may be a person's."""
    match value:
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case _:
            return "an object"


def request_id(body: dict[str, Any]) -> int | None:
    """What Shopify calls a customer's question; None when it does not say."""
    request = body.get("data_request")
    return number_or_none(request.get("id")) if isinstance(request, dict) else None


def report_data_request(
    shop: Shop, shopify_order_ids: Collection[ShopifyOrderId], *, request_id: int | None = None
) -> None:
    """A customer wants to know what is stored: tell a person, who has 30 days to answer. Each question is an alert."""
    alerts.privacy.customer_data_request(
        shop,
        subject=question_subject(shop.domain, _question(shopify_order_ids, request_id)),
        orders=", ".join(map(str, shopify_order_ids)) or "none",
    )


def _question(shopify_order_ids: Collection[ShopifyOrderId], request_id: int | None) -> str:
    """What tells one question from another, and a repetition from both: an id that comes again with other orders is
    another question."""
    numbers = sorted(set(shopify_order_ids))
    told = ",".join(map(str, numbers))
    if len(told) > _LONGEST_SUBJECT:
        told = f"{len(numbers)} orders {hashlib.sha256(told.encode()).hexdigest()[:16]}"
    orders = f"orders {told or 'none'}"
    return orders if request_id is None else f"{orders}, request {request_id}"


def shop_redaction_asked(shop: Shop) -> None:
    """Shopify asks this 48 hours after the app was removed: see whether it was, in the lane of calls to the shop."""
    with transaction.atomic():
        shop_jobs.redact(shop)


def redact_if_gone(shop: Shop) -> None:
    """Erase what is stored of a shop's customers when the app was removed from it; else tell a person.

    A shop that is not known to be gone is asked. Raises Throttled while there is more to erase than one run can do.
    """
    if _is_gone(shop):
        erasure.redact_shop(shop)
        alerts.privacy.SHOP_REDACTION_REFUSED.close(shop.subject)
        return
    logger.warning("shop_redaction_refused", shop=shop.domain)
    alerts.privacy.shop_redaction_refused(shop)


def _is_gone(shop: Shop) -> bool:
    """Whether the app was removed, as far as Shopify itself says so. May switch the shop off."""
    if shop.uninstalled_at is not None:
        return True
    if client.accepts_credentials(shop):
        return False
    installation.uninstalled(shop)
    return True
