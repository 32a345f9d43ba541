"""Every job kind of orders and shipments. Thin: parse the payload, call the domain."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from celery import shared_task

from fulfillment import enqueue
from fulfillment.fulfillments import creation, location_moves
from fulfillment.orders import backfill, rereading, sync, topics
from fulfillment.privacy import erasure, privacy_requests
from fulfillment.returns import announcements, receipts
from fulfillment.routing import preparation
from fulfillment.shipments import cancelled_fulfillments, intake, tracking
from fulfillment.shopify import queries
from fulfillment.wms_orders import cancellation, polling, reducing, status_updates, submission
from ops.models import Job, Priority
from ops.workers.runner import Queue, job, job_batch
from shops.models import Shop
from wms.callbacks import unread_fields
from wms.callbacks.events import parse_order_status, parse_return_receipt, parse_shipment
from wms.local_times import zone_of_event

for _topic in topics.ORDER_TOPICS:
    job_batch(f"shopify.{_topic}", queue=Queue.SUBMISSION, size=50)(topics.orders_changed)


@job_batch("fulfillment.read_orders", queue=Queue.SUBMISSION, size=queries.ORDERS_PER_READ)
def read_orders(jobs: list[Job]) -> None:
    """Read orders at Shopify, several with one request, and store them."""
    # What a backfill found must not take the budget from what a webhook asked for.
    priority = Priority(min(each.priority for each in jobs))
    sync.read(jobs[0].payload["shop"], [each.payload["order"] for each in jobs], priority=priority)


@job("fulfillment.find_order", queue=Queue.SUBMISSION)
def find_order(job: Job) -> None:
    """A webhook named a fulfilment order we do not know: ask whose it is."""
    shop = Shop.objects.get(id=job.payload["shop"])
    order_id = queries.owner_of_fulfillment_order(shop, job.payload["fulfillment_order"])
    if order_id is not None:
        enqueue.read(shop, order_id)


@job("fulfillment.route", queue=Queue.SUBMISSION)
def route(job: Job) -> None:
    """Choose the warehouse and reserve."""
    preparation.prepare(job.payload["order"])


@job("fulfillment.submit", queue=Queue.SUBMISSION)
def submit(job: Job) -> None:
    """Place a WMS order."""
    submission.submit(job.payload["wms_order"])


@job("fulfillment.move", queue=Queue.SUBMISSION)
def move(job: Job) -> None:
    """Move fulfilment orders to the chosen location."""
    location_moves.move(job.payload["wms_order"])


@job("fulfillment.cancel", queue=Queue.CANCELLATION)
def cancel(job: Job) -> None:
    """Cancel a WMS order."""
    cancellation.cancel(job.payload["wms_order"])


@job("fulfillment.reduce", queue=Queue.CANCELLATION)
def reduce(job: Job) -> None:
    """Ask a WMS to send less of an order."""
    reducing.reduce(job.payload["wms_order"])


@job("fulfillment.announce_return", queue=Queue.CANCELLATION)
def announce_return(job: Job) -> None:
    """Announce a return to the warehouse."""
    announcements.announce(job.payload["return"])


@job("wms.shipment", queue=Queue.CALLBACKS)
def shipment_reported(job: Job) -> None:
    """A consignment left a warehouse."""
    occurred_at = datetime.fromisoformat(job.payload["occurred_at"])
    event = parse_shipment(job.payload["data"], zone=zone_of_event(job.payload), occurred_at=occurred_at)
    unread_fields.report(job.payload["connection"], event)
    intake.receive(job.payload["connection"], event, occurred_at=occurred_at)


@job("fulfillment.fulfil", queue=Queue.CALLBACKS)
def fulfil(job: Job) -> None:
    """Tell Shopify of an order's shipments."""
    creation.fulfil(job.payload["order"])


@job("fulfillment.compare", queue=Queue.CALLBACKS)
def compare(job: Job) -> None:
    """Shopify told that a fulfilment was cancelled: see whether it is one of ours."""
    cancelled_fulfillments.compare_order(Shop.objects.get(id=job.payload["shop"]), job.payload["order"])


@job("fulfillment.update_tracking", queue=Queue.CALLBACKS)
def update_tracking(job: Job) -> None:
    """Tell Shopify of a corrected tracking number."""
    tracking.update(job.payload["shipment"])


@job("fulfillment.expect_shipment", queue=Queue.CALLBACKS)
def expect_shipment(job: Job) -> None:
    """The WMS said «shipped» a while ago: did the shipment come?"""
    status_updates.check_shipment(job.payload["wms_order"], all_of_it=job.payload["all_of_it"])


@job("fulfillment.expect_cancellation", queue=Queue.CALLBACKS)
def expect_cancellation(job: Job) -> None:
    """The WMS was asked to cancel a while ago: did it answer?"""
    cancellation.check_answer(job.payload["wms_order"])


@job("fulfillment.look_up", queue=Queue.CALLBACKS)
def look_up(job: Job) -> None:
    """Ask a WMS about orders of which it has told nothing for a while."""
    polling.look_up(job.payload["connection"])


@job("wms.order_status", queue=Queue.CALLBACKS)
def status_reported(job: Job) -> None:
    """A WMS order moved to another state."""
    occurred_at = datetime.fromisoformat(job.payload["occurred_at"])
    event = parse_order_status(job.payload["data"], zone=zone_of_event(job.payload))
    unread_fields.report(job.payload["connection"], event)
    status_updates.apply(job.payload["connection"], event, occurred_at=occurred_at)


@job("wms.return_receipt", queue=Queue.CALLBACKS)
def return_received(job: Job) -> None:
    """Returned goods arrived."""
    occurred_at = datetime.fromisoformat(job.payload["occurred_at"])
    event = parse_return_receipt(
        job.payload["data"], zone=zone_of_event(job.payload), occurred_at=occurred_at
    )
    unread_fields.report(job.payload["connection"], event)
    receipts.receive(job.payload["connection"], event, occurred_at=occurred_at)


@job("fulfillment.backfill", queue=Queue.MAINTENANCE)
def backfill_page(job: Job) -> None:
    """A page of what changed at a shop; the next page is a run of the same job."""
    place = job.payload["place"]
    backfill.page(job.payload["shop"], job.payload["feed"], place and backfill.Place.parse(place))


@job("shopify.notices_lost", queue=Queue.MAINTENANCE)
def notices_lost(job: Job) -> None:
    """Shopify has not told a shop's changes for a while: look at once, not only at the next tick."""
    backfill.request(Shop.objects.get(id=job.payload["shop"]))


@job("shopify.settings_changed", queue=Queue.MAINTENANCE)
def settings_changed(job: Job) -> None:
    """What a shop may send was changed by staff; which locations are ours, perhaps."""
    enqueue.look_for_ours(Shop.objects.get(id=job.payload["shop"]))
    _in_pages(job, rereading.settings_changed)


@job("wms.warehouses_changed", queue=Queue.MAINTENANCE)
def warehouses_changed(job: Job) -> None:
    """A shop's warehouses were changed: work at their locations may have become ours."""
    _in_pages(job, rereading.now_ours)


def _in_pages(job: Job, read: Callable[[int, int], int | None]) -> None:
    """A page is a run of the same job, which carries its place with it."""
    behind = read(job.payload["shop"], job.payload.get("after", 0))
    if behind is not None:
        enqueue.next_page(job, after=behind)


@shared_task(name="fulfillment.backfill_all")
def backfill_all() -> None:
    """Beat: make up for webhooks that never came."""
    backfill.backfill_all()
    rereading.waiting()
    rereading.parts_that_are_due()


@shared_task(name="fulfillment.look_up_all")
def look_up_all() -> None:
    """Beat: make up for callbacks that never came."""
    polling.request_all()


@shared_task(name="fulfillment.erase_personal_data")
def erase_personal_data() -> None:
    """Beat: customers' data of orders that need it no more."""
    erasure.erase_due()


@job("shopify.customers/redact", queue=Queue.MAINTENANCE)
def redact_customer(job: Job) -> None:
    """Shopify asks for a customer's data to be erased."""
    shop = Shop.objects.get(id=job.payload["shop"])
    erasure.redact_customer(shop, privacy_requests.order_ids(job.payload["body"], "orders_to_redact"))


@job("shopify.shop/redact", queue=Queue.MAINTENANCE)
def shop_redaction_asked(job: Job) -> None:
    """Shopify asks for the data of all customers of a shop to be erased."""
    privacy_requests.shop_redaction_asked(Shop.objects.get(id=job.payload["shop"]))


@job("shopify.redact_if_gone", queue=Queue.MAINTENANCE)
def redact_shop(job: Job) -> None:
    """Erase the data of all customers of a shop, if it is gone."""
    privacy_requests.redact_if_gone(Shop.objects.get(id=job.payload["shop"]))


@job("shopify.customers/data_request", queue=Queue.MAINTENANCE)
def report_data_request(job: Job) -> None:
    """A customer asks which of their data is stored."""
    body = job.payload["body"]
    privacy_requests.report_data_request(
        Shop.objects.get(id=job.payload["shop"]),
        privacy_requests.order_ids(body, "orders_requested"),
        request_id=privacy_requests.request_id(body),
    )
