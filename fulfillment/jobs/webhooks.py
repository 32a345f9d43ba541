"""The job kinds of Shopify's webhooks, and of other events of the apps below."""

from __future__ import annotations

from ops.queue.kinds import JobKind
from ops.queue.queues import Queue
from shops.jobs import SETTINGS_CHANGED, UNSEEN, WEBHOOKS_MISSED, webhook
from wms.jobs import WAREHOUSES_CHANGED

ORDER_TOPICS = (
    "orders/create",
    "orders/paid",
    "orders/updated",
    "orders/edited",
    "orders/cancelled",
    "orders/fulfilled",
    "orders/partially_fulfilled",
    "refunds/create",
    "fulfillments/create",
    "fulfillments/update",
    "fulfillment_holds/added",
    "fulfillment_holds/released",
    "fulfillment_orders/order_routing_complete",
    "fulfillment_orders/placed_on_hold",
    "fulfillment_orders/hold_released",
    "fulfillment_orders/moved",
    "fulfillment_orders/split",
    "fulfillment_orders/merged",
    "fulfillment_orders/cancelled",
    "fulfillment_orders/rescheduled",
    "fulfillment_orders/scheduled_fulfillment_order_ready",
)
"""Topics of the Admin API 2026-10 that lead to one coalesced read of the order they are about."""

ORDER_CHANGED = [
    JobKind.of(
        webhook(topic),
        queue=Queue.SUBMISSION,
        batch_size=50,
        work=f"have the order read that a webhook of the topic {topic} is about",
        if_dead=UNSEEN,
    )
    for topic in ORDER_TOPICS
]

READ_MISSED = JobKind.of(
    WEBHOOKS_MISSED,
    queue=Queue.MAINTENANCE,
    work="read changes of the shop whose webhooks were lost",
    if_dead="The next backfill makes up for it within minutes.",
)
READ_UNSENT = JobKind.of(
    SETTINGS_CHANGED,
    queue=Queue.MAINTENANCE,
    work="read the shop's unsent orders again after its settings were changed",
    if_dead="The new settings apply to them only after up to three hours.",
)
READ_AT_OUR_LOCATIONS = JobKind.of(
    WAREHOUSES_CHANGED,
    queue=Queue.MAINTENANCE,
    work="read orders again that lie at a warehouse's location",
    if_dead="We do not know that orders at that location are ours until something about them changes.",
)
