"""What the web server answers while everything runs: to machines that watch it, and to senders of webhooks."""

from __future__ import annotations

import json
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from ops.doors import signatures
from tests.end_to_end.installation.stack import Stack
from tests.end_to_end.installation.waiting import until
from tests.end_to_end.installation.world import BERLIN
from tests.end_to_end.people import People
from wmsbridge import health

pytestmark = pytest.mark.e2e

POSTS, SENDERS = 200, 4
LONGEST = 1.0
"""Seconds; loose, for a busy machine. Shopify gives up after 5."""


def test_the_watchers_are_answered(stack: Stack) -> None:
    until(stack.ready, what="/readyz")
    assert stack.answers("/healthz").status_code == 200
    assert stack.answers("/readyz").json() == {"ready": True, "reasons": {}}
    metrics = stack.answers("/metrics")
    assert metrics.status_code == 200
    told = {line.split()[0].split("{")[0] for line in metrics.text.splitlines() if not line.startswith("#")}
    assert told >= {f"wmsbridge_{metric.name}_{metric.unit}" for metric in health.METRICS}
    assert len(health.METRICS) == 6


def test_a_webhook_is_answered_in_milliseconds_while_the_workers_are_busy(stack: Stack) -> None:
    ids = [People(stack).order(BERLIN, "DE", (BERLIN.mug, 1)).id for _ in range(4)]
    with ThreadPoolExecutor(SENDERS) as senders, requests.Session() as session:
        seconds = sorted(senders.map(lambda n: _post(stack, session, ids[n % len(ids)]), range(POSTS)))
    told, p99 = _spread(seconds)
    stack.figures.append(f"webhook answers, {POSTS} from {SENDERS} senders at once: {told}")
    assert p99 < LONGEST


def test_every_delivery_of_these_tests_was_answered_in_time(stack: Stack) -> None:
    sent = stack.shopify.get("/webhooks?limit=5000") + stack.wms.get("/callbacks?limit=5000")
    attempts = [attempt for delivery in sent for attempt in delivery["attempts"]]
    assert {attempt["status"] for attempt in attempts} == {200}
    told, p99 = _spread(sorted(attempt["seconds"] for attempt in attempts))
    stack.figures.append(f"all deliveries of webhooks and callbacks, as the senders saw it: {told}")
    assert p99 < LONGEST


def _spread(seconds: list[float]) -> tuple[str, float]:
    """Median and p99 of sorted seconds in words, and the p99."""
    count = len(seconds)
    median, p99 = seconds[count // 2], seconds[count * 99 // 100]
    return f"median {median * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms (of {count})", p99


def _post(stack: Stack, session: requests.Session, order_id: int) -> float:
    """One signed webhook as Shopify sends it; returns the seconds until its answer."""
    body = json.dumps({"id": order_id, "admin_graphql_api_id": f"gid://shopify/Order/{order_id}"}).encode()
    headers = {
        "Content-Type": "application/json",
        "X-Shopify-Topic": "orders/updated",
        "X-Shopify-Shop-Domain": BERLIN.domain,
        "X-Shopify-Webhook-Id": str(uuid.uuid4()),
        "X-Shopify-Hmac-Sha256": signatures.sign(BERLIN.secret, body),
    }
    began = time.perf_counter()
    answer = session.post(f"{stack.web}/webhooks/shopify/", data=body, headers=headers, timeout=10)
    took = time.perf_counter() - began
    assert answer.status_code == 200, answer.text
    return took
