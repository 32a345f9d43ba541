"""Handles Shopify's privacy webhooks. Their bodies are read strictly, and a shop is erased only if Shopify confirms it.

The topic of a webhook is not signed. Anyone who has a signed body of another topic can send it again as one of these.
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
    """The orders that a request names in this field; none if the field is missing or null.

    Raises Permanent, which names the field, if its value is no list of ids.
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
    """The type of a value in JSON's words. The value itself is never shown: it may be personal."""
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
    """Shopify's id of a customer's request for their data; None if the body has none."""
    request = body.get("data_request")
    return number_or_none(request.get("id")) if isinstance(request, dict) else None


def report_data_request(
    shop: Shop, shopify_order_ids: Collection[ShopifyOrderId], *, request_id: int | None = None
) -> None:
    """Raise an alert: a customer asks what is stored of them, and a person has 30 days to answer."""
    alerts.privacy.customer_data_request(
        shop,
        subject=question_subject(shop.domain, _name_of_request(shopify_order_ids, request_id)),
        orders=", ".join(map(str, shopify_order_ids)) or "none",
    )


def _name_of_request(shopify_order_ids: Collection[ShopifyOrderId], request_id: int | None) -> str:
    """A text that is the same for a repeated request, and differs for another one.

    A request with a known id but other orders is another request.
    """
    numbers = sorted(set(shopify_order_ids))
    listed = ",".join(map(str, numbers))
    if len(listed) > _LONGEST_SUBJECT:
        listed = f"{len(numbers)} orders {hashlib.sha256(listed.encode()).hexdigest()[:16]}"
    orders = f"orders {listed or 'none'}"
    return orders if request_id is None else f"{orders}, request {request_id}"


def shop_redaction_asked(shop: Shop) -> None:
    """Enqueue `redact_if_gone` in the lane of calls to the shop, because it may have to ask Shopify."""
    with transaction.atomic():
        shop_jobs.redact(shop)


def redact_if_gone(shop: Shop) -> None:
    """Erase what is stored of a shop's customers if the app was removed from the shop; else raise an alert.

    Raises Throttled while there is more to erase than one run can do, and what a call to Shopify raises.
    """
    if _is_gone(shop):
        erasure.redact_shop(shop)
        alerts.privacy.SHOP_REDACTION_REFUSED.close(shop.subject)
        return
    logger.warning("shop_redaction_refused", shop=shop.domain)
    alerts.privacy.shop_redaction_refused(shop)


def _is_gone(shop: Shop) -> bool:
    """Whether the app was removed. If Shopify refuses our credentials it was, and the shop is switched off."""
    if shop.uninstalled_at is not None:
        return True
    if client.accepts_credentials(shop):
        return False
    installation.uninstalled(shop)
    return True
