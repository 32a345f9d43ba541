"""The calls that run all day. Each is rolled back, so that the next one finds the tables as they were filled."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta

from django.test import Client
from django.utils import timezone

from bench.tables.calls import CHORE, PAGE, Call, Sample
from bench.tables.order_calls import order_calls
from fulfillment.privacy import erasure
from inventory.push import push_batches, push_due
from inventory.stock import levels, reconcile
from inventory.stock.levels import Observation
from ops.alerting import alerts
from ops.doors import signatures
from ops.models import Job, JobAttempt
from ops.queue import depth, jobs, retention
from ops.refs import LaneName, ParkKey, Subject
from ops.workers import leases, scheduling
from wms.models import Connection
from wmsbridge import health
from wmsbridge.health import health_alerts
from wmsbridge.monitoring import metrics


def background_calls(found: Sample) -> list[Call]:
    """The calls that no person waits for."""
    return [*_doors(found), *_queue(found), *order_calls(found), *_stock(found), *_figures(), *_chores()]


def _enqueue(
    key: str, *, coalesce: bool = False, lane: str = "shop:shop-3.myshopify.com"
) -> Callable[[], object]:
    payload = {"shop": 4, "order": 5}
    return lambda: jobs.NewJob(
        "fulfillment.read_orders",
        key=key,
        lane=LaneName(lane),
        payload=payload,
        subject=Subject("order:4:5"),
        coalesce=coalesce,
    ).enqueue()


def _doors(found: Sample) -> list[Call]:
    known = Job.objects.filter(kind="shopify.orders/paid", state="done").values_list("key", flat=True)[0]
    domain, webhook_id = known.removeprefix("shopify:").split(":", maxsplit=1)
    return [
        Call("webhook, new", lambda: _webhook(found.shop.domain, "a-new-one")),
        Call("webhook, a duplicate", lambda: _webhook(domain, webhook_id)),
        Call("callback, new", lambda: _callback(found.warehouse.connection)),
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


def _queue(found: Sample) -> list[Call]:
    done = Job.objects.filter(kind="fulfillment.read_orders", state="done").order_by("-id")[0]
    waiting = Job.objects.filter(lane=found.deep_lane, state="ready", parked_on=[]).order_by("id")[0]
    dead = list(Job.objects.filter(state="dead").order_by("id").values_list("id", flat=True)[:500])
    return [
        Call("enqueue, new key", _enqueue("a-new-key")),
        Call("enqueue, known key", _enqueue(done.key)),
        Call("enqueue coalesced, new subject", _enqueue("a-new-key", coalesce=True)),
        Call("enqueue coalesced, done before", _enqueue(done.key, coalesce=True, lane=done.lane_id)),
        Call("enqueue coalesced, waits already", _enqueue(waiting.key, coalesce=True, lane=waiting.lane_id)),
        Call("claim, 20,000 wait in the lane", lambda: _claim(found.deep_lane)),
        Call("claim, an empty lane", lambda: _claim("internal")),
        Call("a turn: claim a batch, finish and claim", lambda: _turn(["internal", found.deep_lane])),
        Call("claim, finish", lambda: _run(found.deep_lane, _finish)),
        Call("claim, retry", lambda: _run(found.deep_lane, _retry)),
        Call("lanes with due jobs", scheduling.due_kinds),
        Call("due jobs of a lane", lambda: scheduling.due_kinds(found.deep_lane)),
        Call("runs whose worker died", leases.expired_runs),
        Call("recheck parked", _recheck_parked, CHORE),
        Call("wake, a SKU", lambda: jobs.wake(ParkKey("sku:8:7"))),
        Call("wake, a shop", lambda: jobs.wake(ParkKey("shop:8")), CHORE),
        Call("replay 500 dead letters", lambda: jobs.replay(dead), CHORE),
        Call("discard 500 dead letters", lambda: jobs.discard(dead), CHORE),
        Call("raise an alert", lambda: _alert(found)),
        Call("close an alert", lambda: alerts.close_alerts(["no_warehouse"], subjects=[found.ready.subject])),
    ]


def _alert(found: Sample) -> None:
    alerts.raise_alert("no_warehouse", subject=found.ready.subject, title="t", meaning="m", action="a")


def _recheck_parked() -> None:
    Job.objects.filter(state="ready", run_at__gt=timezone.now()).exclude(parked_on=[]).update(
        run_at=timezone.now()
    )
    leases.recheck_parked()


def _finish(job: Job) -> None:
    assert job.lease_token  # noqa: S101
    scheduling.claim(token=job.lease_token, ended=True)


def _claim(lane: str) -> Job | None:
    return scheduling.claim(lane, token=uuid.uuid4()).job


def _run(lane: str, end: Callable[[Job], object]) -> None:
    job = _claim(lane)
    if job is None:
        raise RuntimeError("nothing was claimed")
    end(job)


def _turn(lanes: list[str]) -> None:
    """A run of several jobs, and the next one in its place; others are told of the lanes that are left."""
    token = uuid.uuid4()
    scheduling.claim(*lanes, token=token)
    again = [lanes[-1], *lanes]
    if not scheduling.claim(*again, token=token, ended=True, untold=again).batch:
        raise RuntimeError("nothing was claimed")


def _retry(job: Job) -> None:
    leases.retry(job, JobAttempt.Outcome.TRANSIENT, ValueError("503"), counts=True)


def _stock(found: Sample) -> list[Call]:
    warehouse = found.warehouse
    event = [
        Observation("ITEM-77", available=5, on_hand=9, observed_at=timezone.now() + timedelta(seconds=1))
    ]
    now = timezone.now()
    whole_page = [
        Observation(f"ITEM-{n}", available=5, on_hand=9, observed_at=now + timedelta(seconds=1), known_at=now)
        for n in range(1, 251)
    ]
    return [
        Call("a stock event", lambda: levels.apply(warehouse, event, source="bench")),
        Call(
            "a page of a reconciliation", lambda: levels.apply(warehouse, whole_page, source="bench"), CHORE
        ),
        Call("what is due to be pushed", lambda: push_due.warehouses_with_due_levels(found.shop)),
        Call("plan a push", lambda: push_due.plan(warehouse), CHORE),
        Call("catch up pushes", push_due.catch_up, CHORE),
        Call("ask for reconciliations", reconcile.request_all),
    ]


def _figures() -> list[Call]:
    return [
        Call("depth of the lanes", depth.by_lane, PAGE),
        Call("health metrics", health.measure, PAGE),
        Call("/metrics", metrics.exposition, PAGE),
        Call("settle dead-letter alerts", health_alerts.close_settled_dead_letters, CHORE),
    ]


def _chores() -> list[Call]:
    return [
        Call("a batch of payloads erased", lambda: _one_batch("payloads_erased"), CHORE),
        Call("a batch of jobs deleted", lambda: _one_batch("jobs_deleted"), CHORE),
        Call("a batch of failed runs deleted", lambda: _one_batch("attempts_deleted"), CHORE),
        Call("a batch of alerts deleted", lambda: _one_batch("alerts_deleted"), CHORE),
        Call("unfinished payloads masked", retention.mask_unfinished, CHORE),
        Call("a batch of orders erased", _one_batch_of_orders, CHORE),
        Call("push batches forgotten", push_batches.prune, CHORE),
    ]


def _one_batch(name: str) -> None:
    (cleanup,) = [cleanup for cleanup in retention.cleanups() if cleanup.name == name]
    cleanup.batch()


def _one_batch_of_orders() -> None:
    erasure.cleanups()[0].batch()
