"""What runs all day, by the functions that do it; each call is taken back: it finds the tables as they were filled."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from bench.tables.rows.inserting import SHOPS, Sizes
from bench.tables.rows.reading import ready_order
from fulfillment.models import Order, WmsOrder
from fulfillment.orders import backfill, rereading, sync, topics
from fulfillment.privacy import erasure
from fulfillment.routing import preparation
from fulfillment.shipments import intake
from fulfillment.wms_orders import polling, status_updates, submission
from inventory.push import push_batches, push_due
from inventory.stock import levels, reconcile
from inventory.stock.levels import Observation
from ops.alerting import alerts
from ops.doors import signatures
from ops.models import Job, JobAttempt, Priority
from ops.queue import depth, jobs, retention
from ops.queue.kinds import TypedJob
from ops.refs import LaneName, ParkKey, Subject
from ops.workers import leases, scheduling
from shops.jobs import WebhookPayload
from shops.models import Shop
from wms.adapters.base import OrderAnswer
from wms.callbacks.events import OrderStatusEvent, ShipmentEvent, ShippedItem
from wms.ids import ConnectionPk, RemoteOrderId
from wms.models import Connection, Warehouse
from wms.vocabulary.statuses import WmsStatus
from wmsbridge import health
from wmsbridge.health import health_alerts
from wmsbridge.monitoring import metrics

HOT = 20.0
"""Milliseconds for any statement of what runs for each webhook, job or page."""

PAGE = 100.0
"""Milliseconds for a list of the console, which a person waits for; some count all work under way."""

CHORE = 500.0
"""Milliseconds for one batch of a chore, and for figures over a day: it runs in the background."""


@dataclass(frozen=True)
class Hot:
    """Something that is done all day: `limit` milliseconds for each of its statements."""

    name: str
    call: Callable[[], object]
    limit: float = HOT


@dataclass(frozen=True)
class Sample:
    """Rows that the calls are about."""

    shop: Shop
    deep_lane: str
    ready: Order
    at_warehouse: WmsOrder
    shipped: Order
    warehouse: Warehouse


def sample(sizes: Sizes) -> Sample:
    """Pick them."""
    shop = Shop.objects.get(id=8)
    mine = Order.objects.select_related("shop").filter(shop=shop).order_by("-id")
    parts = WmsOrder.objects.select_related("warehouse__connection", "order__shop").order_by("-id")
    return Sample(
        shop=shop,
        deep_lane=shop.lane,
        ready=Order.objects.select_related("shop").filter(state="ready").order_by("-id")[0],
        at_warehouse=parts.filter(wms_status="accepted")[0],
        shipped=mine.filter(state="shipped", id__lt=sizes.orders - sizes.open_orders - 10)[0],
        warehouse=Warehouse.objects.select_related("connection").get(id=1 + 2 * 7),
    )


def by_itself(found: Sample) -> list[Hot]:
    """What runs with nobody looking."""
    return [*_doors(found), *_queue(found), *_orders(found), *_stock(found), *_figures(), *_chores()]


def _enqueue(
    key: str, *, coalesce: bool = False, lane: str = "shop:shop-3.myshopify.com"
) -> Callable[[], object]:
    payload = {"shop": 4, "order": 5}
    return lambda: jobs.enqueue(
        "fulfillment.read_orders",
        key=key,
        lane=LaneName(lane),
        payload=payload,
        subject=Subject("order:4:5"),
        coalesce=coalesce,
    )


def _doors(found: Sample) -> list[Hot]:
    known = Job.objects.filter(kind="shopify.orders/paid", state="done").values_list("key", flat=True)[0]
    domain, webhook_id = known.removeprefix("shopify:").split(":", maxsplit=1)
    return [
        Hot("webhook, new", lambda: _webhook(found.shop.domain, "a-new-one")),
        Hot("webhook, a duplicate", lambda: _webhook(domain, webhook_id)),
        Hot("callback, new", lambda: _callback(found.warehouse.connection)),
    ]


def _webhook(domain: str, webhook_id: str) -> None:
    body = json.dumps({"id": 5000000000123, "email": "ada@example.com"}).encode()
    headers = {
        "X-Shopify-Topic": "orders/paid",
        "X-Shopify-Shop-Domain": domain,
        "X-Shopify-Webhook-Id": webhook_id,
        "X-Shopify-Hmac-Sha256": signatures.sign("shop-secret", body),
    }
    _post("/webhooks/shopify/", body, headers)


def _callback(connection: Connection) -> None:
    data = {"wmsOrderId": "W77", "status": "picking"}
    event = {
        "eventId": "e-new",
        "type": "order_status",
        "occurredAt": timezone.now().isoformat(),
        "data": data,
    }
    body = json.dumps(event).encode()
    _post(f"/webhooks/wms/{connection.slug}/", body, {"X-WMS-Signature": signatures.sign("wms-secret", body)})


def _post(path: str, body: bytes, headers: Mapping[str, str]) -> None:
    answer = Client().post(path, data=body, content_type="application/json", headers=headers, secure=True)
    if answer.status_code != 200:
        raise RuntimeError(f"{path} answered {answer.status_code}")


def _queue(found: Sample) -> list[Hot]:
    done = Job.objects.filter(kind="fulfillment.read_orders", state="done").order_by("-id")[0]
    waiting = Job.objects.filter(lane=found.deep_lane, state="ready", parked_on=[]).order_by("id")[0]
    dead = list(Job.objects.filter(state="dead").order_by("id").values_list("id", flat=True)[:500])
    return [
        Hot("enqueue, new key", _enqueue("a-new-key")),
        Hot("enqueue, known key", _enqueue(done.key)),
        Hot("enqueue coalesced, new subject", _enqueue("a-new-key", coalesce=True)),
        Hot("enqueue coalesced, done before", _enqueue(done.key, coalesce=True, lane=done.lane_id)),
        Hot("enqueue coalesced, waits already", _enqueue(waiting.key, coalesce=True, lane=waiting.lane_id)),
        Hot("claim, 20,000 wait in the lane", lambda: scheduling.claim(found.deep_lane)),
        Hot("claim, an empty lane", lambda: scheduling.claim("internal")),
        Hot(
            "start, claim a batch, finish",
            lambda: _run(found.deep_lane, lambda job: leases.finish(_token(job))),
        ),
        Hot("start, retry", lambda: _run(found.deep_lane, _retry)),
        Hot("lanes with due jobs", scheduling.lanes_with_due_jobs),
        Hot("runs whose worker died", leases.expired_runs),
        Hot("jobs nobody picked up", leases.not_started),
        Hot("recheck parked", _recheck_parked, CHORE),
        Hot("wake, a SKU", lambda: jobs.wake(ParkKey("sku:8:7"))),
        Hot("wake, a shop", lambda: jobs.wake(ParkKey("shop:8")), CHORE),
        Hot("replay 500 dead letters", lambda: jobs.replay(dead), CHORE),
        Hot("discard 500 dead letters", lambda: jobs.discard(dead), CHORE),
        Hot("raise an alert", lambda: _alert(found)),
        Hot("close an alert", lambda: alerts.close_alerts(["no_warehouse"], subjects=[found.ready.subject])),
    ]


def _alert(found: Sample) -> None:
    alerts.raise_alert("no_warehouse", subject=found.ready.subject, title="t", meaning="m", action="a")


def _recheck_parked() -> None:
    Job.objects.filter(state="ready", run_at__gt=timezone.now()).exclude(parked_on=[]).update(
        run_at=timezone.now()
    )
    leases.recheck_parked()


def _token(job: Job) -> Any:
    return job.lease_token


def _run(lane: str, end: Callable[[Job], object]) -> None:
    claimed = scheduling.claim(lane)[0]
    job = leases.start(claimed.id, claimed.token)
    if job is None:
        raise RuntimeError("the job was not started")
    leases.claim_batch(job, limit=5)
    end(job)


def _retry(job: Job) -> None:
    leases.retry(job, JobAttempt.Outcome.TRANSIENT, ValueError("503"), counts=True)


def _orders(found: Sample) -> list[Hot]:
    part = found.at_warehouse
    return [
        Hot("store the reading of a new order", lambda: sync.store(found.shop, ready_order(5999999999999))),
        Hot(
            "store the reading of a known order",
            lambda: sync.store(found.shop, ready_order(found.shipped.shopify_order_id)),
        ),
        Hot("route an order", lambda: preparation.prepare(found.ready.id)),
        Hot("route and submit an order", lambda: _submit(found.ready)),
        Hot(
            "order of a callback",
            lambda: status_updates.wms_order_of(ConnectionPk(part.warehouse.connection_id), part.remote_id),
        ),
        Hot("orders that wait for Shopify", rereading.waiting, CHORE),
        Hot("orders of which a part is due", rereading.parts_that_are_due, CHORE),
        Hot("a page of the backfill, orders", lambda: _known(found, "orders", 5_000_000_000_000)),
        Hot(
            "a page of the backfill, fulfilment orders",
            lambda: _known(found, "fulfillment_orders", 8_000_000_000_000),
        ),
        Hot("webhooks that name fulfilment orders", lambda: _named(found)),
        Hot("orders to be looked up at a WMS", lambda: list(polling.due(part.warehouse.connection)[:25])),
        Hot("a shipment, and what it leads to", lambda: _ship(part)),
        Hot("a status callback", lambda: _status(part)),
    ]


def _known(found: Sample, feed: str, first: int) -> None:
    """A page names 50 of them that belong to the shop."""
    mine = [first + found.shipped.id - SHOPS * n for n in range(50)]
    backfill.FEEDS[feed].known(found.shop, mine)


def _named(found: Sample) -> None:
    named = [
        {"id": f"gid://shopify/FulfillmentOrder/{8_000_000_000_000 + found.shipped.id - SHOPS * n}"}
        for n in range(50)
    ]
    webhooks = [
        WebhookPayload(found.shop.id, "fulfillment_orders/moved", body={"fulfillment_order": each})
        for each in named
    ]
    topics.orders_changed(
        [
            TypedJob(each, found.shop.inbox_lane, Subject("fulfillment_order:8:1"), priority=Priority.NORMAL)
            for each in webhooks
        ]
    )


def _ship(part: WmsOrder) -> None:
    """As the callback does, without the fast guard of Redis."""
    line = part.lines.order_by("id")[0]
    event = ShipmentEvent(
        wms_order_id=part.remote_id,
        wms_shipment_id="S-new",
        shipped_items=(ShippedItem(wms_item_code=line.item_code, quantity_shipped=1),),
        shipped_at=timezone.now(),
    )
    row = status_updates.wms_order_of(ConnectionPk(part.warehouse.connection_id), part.remote_id)
    if row is None:
        raise RuntimeError("the order was not found")
    intake.record(row, event, occurred_at=timezone.now())


def _status(part: WmsOrder) -> None:
    event = OrderStatusEvent(wms_order_id=part.remote_id, status="picking")
    status_updates.apply(ConnectionPk(part.warehouse.connection_id), event, occurred_at=timezone.now())


def _submit(order: Order) -> None:
    row = preparation.prepare(order.id)
    if row is None:
        raise RuntimeError("the order was not routed")
    submission.begin(row.id)
    submission.record(
        row.id,
        OrderAnswer(remote_id=RemoteOrderId("W-new"), status=WmsStatus.ACCEPTED, raw_status="accepted"),
    )


def _stock(found: Sample) -> list[Hot]:
    place = found.warehouse
    event = [
        Observation("ITEM-77", available=5, on_hand=9, observed_at=timezone.now() + timedelta(seconds=1))
    ]
    now = timezone.now()
    whole_page = [
        Observation(f"ITEM-{n}", available=5, on_hand=9, observed_at=now + timedelta(seconds=1), known_at=now)
        for n in range(1, 251)
    ]
    return [
        Hot("a stock event", lambda: levels.apply(place, event, source="bench")),
        Hot("a page of a reconciliation", lambda: levels.apply(place, whole_page, source="bench"), CHORE),
        Hot("what is due to be pushed", lambda: push_due.warehouses_with_due_levels(found.shop)),
        Hot("plan a push", lambda: push_due.plan(place), CHORE),
        Hot("catch up pushes", push_due.catch_up, CHORE),
        Hot("ask for reconciliations", reconcile.request_all),
    ]


def _figures() -> list[Hot]:
    return [
        Hot("depth of the lanes", depth.by_lane, PAGE),
        Hot("health metrics", health.measure, PAGE),
        Hot("/metrics", metrics.exposition, PAGE),
        Hot("settle dead-letter alerts", health_alerts.close_settled_dead_letters, CHORE),
    ]


def _chores() -> list[Hot]:
    return [
        Hot("a batch of payloads erased", lambda: _one_batch("payloads_erased"), CHORE),
        Hot("a batch of jobs deleted", lambda: _one_batch("jobs_deleted"), CHORE),
        Hot("a batch of failed runs deleted", lambda: _one_batch("attempts_deleted"), CHORE),
        Hot("a batch of alerts deleted", lambda: _one_batch("alerts_deleted"), CHORE),
        Hot("unfinished payloads masked", retention.mask_unfinished, CHORE),
        Hot("a batch of orders erased", _one_batch_of_orders, CHORE),
        Hot("push batches forgotten", push_batches.prune, CHORE),
    ]


def _one_batch(name: str) -> None:
    (chore,) = [chore for chore in retention.chores() if chore.name == name]
    chore.batch()


def _one_batch_of_orders() -> None:
    erasure.chores()[0].batch()
