"""Bodies as large as a door takes: each is refused, or worked off in no time that a worker would be missed for."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest
from django.test import Client

from ops.models import Job
from tests.drain import drain
from tests.fulfillment import order_rows
from tests.shops.webhooks.delivery import deliver
from tests.wms.callbacks.test_receiver import deliver as call_back
from tests.wms.test_hostile_answers import SHIPMENT

pytestmark = pytest.mark.django_db(transaction=True)

MOST_SECONDS = 3.0
"""Of this process's time, for the door and all jobs; a machine that is busy with other things changes little of it."""
SHIPMENTS: dict[str, dict[str, Any]] = {
    "items that nobody ordered": {
        "shippedItems": [{"wmsItemCode": f"ITEM-{n}", "quantityShipped": 1} for n in range(10_000)]
    },
    "one item in 10,000 pieces": {"shippedItems": [{"wmsItemCode": "MUG", "quantityShipped": 1}] * 10_000},
    "numbers that are blanks": {"trackingNumbers": [f"{n}" + " " * 9_000 + "b" for n in range(400)]},
    "links that are commas": {"trackingUrls": [f"http://{n}" + ", " * 4_000 for n in range(400)]},
    "many numbers": {"trackingNumbers": [f"{n}," * 1_500 for n in range(500)]},
    "one long word": {"carrierCode": "x" * 4_000_000},
}
IDS = range(1, 50_001)
NOTICES: dict[str, dict[str, Any]] = {
    "customers/redact": {"orders_to_redact": [*IDS]},
    "customers/data_request": {"orders_requested": [*IDS], "data_request": {"id": 1}},
    "products/update": {
        "id": 1,
        "variants": [{"id": n, "sku": f"SKU-{n}", "inventory_item_id": n} for n in range(1, 10_001)],
        "variant_gids": [
            {"admin_graphql_api_id": f"gid://shopify/ProductVariant/{n}"} for n in range(1, 20_001)
        ],
    },
    "fulfillment_orders/split": {"all": [f"gid://shopify/FulfillmentOrder/{n}" for n in IDS]},
    "orders/updated": {"id": 5, "line_items": [{"id": n, "title": "x" * 20} for n in IDS]},
}
_numbers = itertools.count()


def worked_off() -> set[str]:
    """What became of the jobs, and of those that follow."""
    began = time.process_time()
    drain()
    assert time.process_time() - began < MOST_SECONDS
    return {attempt.outcome for job in Job.objects.all() for attempt in job.history.all()}


@pytest.mark.parametrize("what", SHIPMENTS)
def test_a_callback_of_any_size_is_worked_off_in_time(what: str) -> None:
    house = order_rows.place()
    order = order_rows.at_warehouse(house)
    Job.objects.all().delete()
    connection = house.connection
    data = {**SHIPMENT, "wmsOrderId": order.wms_orders.get().remote_id, **SHIPMENTS[what]}
    body = {"eventId": "e1", "type": "shipment", "occurredAt": "2026-11-26T10:00:00Z", "data": data}
    assert call_back(body, secret="wms-secret", slug=connection.slug).status_code == 200
    assert "bug" not in worked_off()


@pytest.mark.parametrize("topic", NOTICES)
def test_a_notice_of_any_size_is_worked_off_in_time(topic: str, client: Client) -> None:
    order_rows.at_warehouse(order_rows.place())
    Job.objects.all().delete()
    assert deliver(client, NOTICES[topic], topic=topic).status_code == 200
    assert "bug" not in worked_off()
