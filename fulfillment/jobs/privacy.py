"""The job kinds of Shopify's privacy webhooks."""

from __future__ import annotations

from ops.queue.kinds import JobKind
from ops.queue.queues import Queue
from shops.jobs import REDACT_SHOP, webhook

REDACT_CUSTOMER = JobKind.of(
    webhook("customers/redact"),
    queue=Queue.MAINTENANCE,
    work="erase a customer's data, as Shopify asked",
    if_dead="The customer's data is still stored.",
)
REDACT_SHOP_ASKED = JobKind.of(
    webhook("shop/redact"),
    queue=Queue.MAINTENANCE,
    work="have the customers of a shop erased, as Shopify asked",
    if_dead="Their data is still stored.",
)
REDACT_IF_GONE = JobKind.of(
    REDACT_SHOP,
    queue=Queue.MAINTENANCE,
    work="erase the customers of a shop that is gone",
    if_dead="Their data is still stored.",
)
DATA_REQUESTED = JobKind.of(
    webhook("customers/data_request"),
    queue=Queue.MAINTENANCE,
    work="report to staff that a customer asks which of their data is stored",
    if_dead="Nobody learns of the request, which the law wants answered within 30 days.",
)
