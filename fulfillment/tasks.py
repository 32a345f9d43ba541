"""The handlers of the job kinds, and the scheduled ticks. They call the domain code and hold no logic."""

from __future__ import annotations

from celery import shared_task

from fulfillment.fulfillments import creation, location_moves
from fulfillment.jobs.orders import (
    BACKFILL,
    FIND_ORDER,
    READ_ORDERS,
    BackfillPayload,
    FulfillmentOrderPayload,
    ReadingPayload,
    ShopifyOrderPayload,
)
from fulfillment.jobs.privacy import DATA_REQUESTED, REDACT_CUSTOMER, REDACT_IF_GONE, REDACT_SHOP_ASKED
from fulfillment.jobs.returns import ANNOUNCE_RETURN, RETURN_REPORTED, ReturnPayload
from fulfillment.jobs.shipments import (
    COMPARE,
    FULFILL,
    MOVE,
    SHIPMENT_REPORTED,
    UPDATE_TRACKING,
    ShipmentPayload,
)
from fulfillment.jobs.webhooks import ORDER_CHANGED, READ_AT_OUR_LOCATIONS, READ_MISSED, READ_UNSENT
from fulfillment.jobs.wms_orders import (
    CANCEL,
    EXPECT_CANCELLATION,
    EXPECT_SHIPMENT,
    LOOK_UP,
    REDUCE,
    ROUTE,
    STATUS_REPORTED,
    SUBMIT,
    ConnectionPayload,
    ExpectShipmentPayload,
    OrderPayload,
    WmsOrderPayload,
)
from fulfillment.orders import backfill, rereading, sync, topics
from fulfillment.privacy import erasure, privacy_requests
from fulfillment.returns import announcements, receipts
from fulfillment.routing import preparation
from fulfillment.shipments import cancelled_fulfillments, intake, tracking
from fulfillment.wms_orders import cancellation, polling, reducing, status_updates, submission
from ops.queue.kinds import TypedJob
from ops.workers.handlers import handles, handles_batch
from shops import jobs as shop_jobs
from shops.jobs import ShopPagePayload, ShopPayload, WebhookPayload
from shops.models import Shop
from wms import jobs as wms_jobs
from wms.callbacks import unread_fields
from wms.callbacks.events import parse_order_status, parse_return_receipt, parse_shipment
from wms.jobs import CallbackPayload
from wms.vocabulary.local_times import zone_named

for _kind in ORDER_CHANGED:
    handles_batch(_kind)(topics.orders_changed)


@handles_batch(READ_ORDERS)
def read_orders(jobs: list[TypedJob[ReadingPayload]]) -> None:
    """Read orders at Shopify, several with one request, and store them."""
    # What a backfill found must not take the budget from what a webhook asked for.
    priority = min(each.priority for each in jobs)
    wanted = [each.payload for each in jobs]
    sync.read(
        wanted[0].shop,
        [each.order for each in wanted],
        for_webhooks={each.order for each in wanted if each.for_webhooks},
        priority=priority,
    )


@handles_batch(FIND_ORDER)
def find_orders(jobs: list[TypedJob[FulfillmentOrderPayload]]) -> None:
    """Find out which orders unknown fulfilment orders belong to, and have those orders read."""
    topics.find_orders([each.payload for each in jobs])


@handles(ROUTE)
def route(payload: OrderPayload) -> None:
    """Choose the warehouse and reserve the stock."""
    preparation.prepare(payload.order)


@handles(SUBMIT)
def submit(payload: WmsOrderPayload) -> None:
    """Place a WMS order."""
    submission.submit(payload.wms_order)


@handles(MOVE)
def move(payload: WmsOrderPayload) -> None:
    """Move fulfilment orders to the chosen location."""
    location_moves.move(payload.wms_order)


@handles(CANCEL)
def cancel(payload: WmsOrderPayload) -> None:
    """Cancel a WMS order."""
    cancellation.cancel(payload.wms_order)


@handles(REDUCE)
def reduce(payload: WmsOrderPayload) -> None:
    """Ask a WMS to send less of an order."""
    reducing.reduce(payload.wms_order)


@handles(ANNOUNCE_RETURN)
def announce_return(payload: ReturnPayload) -> None:
    """Announce a return to the warehouse."""
    announcements.announce(payload.return_)


@handles(SHIPMENT_REPORTED)
def shipment_reported(callback: CallbackPayload) -> None:
    """Record a shipment."""
    at, zone = callback.occurred_at, zone_named(callback.zone)
    event = parse_shipment(callback.data, zone=zone, occurred_at=at)
    unread_fields.report(callback.connection, event)
    intake.receive(callback.connection, event, occurred_at=at)


@handles(FULFILL)
def fulfill(payload: OrderPayload) -> None:
    """Make fulfilments of an order's shipments."""
    creation.fulfill(payload.order)


@handles(COMPARE)
def check_fulfillments(payload: ShopifyOrderPayload) -> None:
    """Shopify reported a cancelled fulfilment: check whether it is one of ours."""
    cancelled_fulfillments.check_order(Shop.objects.get(id=payload.shop), payload.order)


@handles(UPDATE_TRACKING)
def update_tracking(payload: ShipmentPayload) -> None:
    """Send a corrected tracking number to Shopify."""
    tracking.update_fulfillments(payload.shipment)


@handles(EXPECT_SHIPMENT)
def expect_shipment(payload: ExpectShipmentPayload) -> None:
    """Check whether the WMS reported the shipment of an order that it called shipped."""
    status_updates.check_shipment(payload.wms_order, all_of_it=payload.all_of_it)


@handles(EXPECT_CANCELLATION)
def expect_cancellation(payload: WmsOrderPayload) -> None:
    """Check whether the WMS answered a request to cancel."""
    cancellation.check_answer(payload.wms_order)


@handles(LOOK_UP)
def look_up(payload: ConnectionPayload) -> None:
    """Ask a WMS about orders of which it has reported nothing for a while."""
    polling.look_up(payload.connection)


@handles(STATUS_REPORTED)
def status_reported(callback: CallbackPayload) -> None:
    """Record the state of a WMS order."""
    event = parse_order_status(callback.data, zone=zone_named(callback.zone))
    unread_fields.report(callback.connection, event)
    status_updates.apply_callback(callback.connection, event, occurred_at=callback.occurred_at)


@handles(RETURN_REPORTED)
def return_received(callback: CallbackPayload) -> None:
    """Record returned goods."""
    at, zone = callback.occurred_at, zone_named(callback.zone)
    event = parse_return_receipt(callback.data, zone=zone, occurred_at=at)
    unread_fields.report(callback.connection, event)
    receipts.receive(callback.connection, event, occurred_at=at)


@handles(BACKFILL)
def backfill_page(payload: BackfillPayload) -> None:
    """Read a page of changes at a shop; the next page is a run of the same job."""
    backfill.page(payload.shop, payload.feed, payload.place)


@handles(READ_MISSED)
def webhooks_missed(payload: ShopPayload) -> None:
    """Read at once what changed at a shop whose webhooks may be lost, instead of at the next tick."""
    backfill.request(Shop.objects.get(id=payload.shop))


@handles(READ_UNSENT)
def settings_changed(page: ShopPagePayload) -> None:
    """Read a page of a shop's unsent orders again after its settings were changed; the next page is another run."""
    shop = Shop.objects.get(id=page.shop)
    wms_jobs.warehouses_changed(shop)
    after = rereading.settings_changed(shop.id, page.after or 0)
    if after is not None:
        shop_jobs.settings_changed(shop, after=after)


@handles(READ_AT_OUR_LOCATIONS)
def warehouses_changed(page: ShopPagePayload) -> None:
    """Read a page of orders whose location a change of warehouses may have made ours; the next page is another run."""
    after = rereading.at_new_locations(page.shop, page.after or 0)
    if after is not None:
        wms_jobs.warehouses_changed(Shop.objects.get(id=page.shop), after=after)


@shared_task(name="fulfillment.backfill_all")
def backfill_all() -> None:
    """Tick: make up for webhooks that were lost."""
    backfill.backfill_all()
    rereading.waiting()
    rereading.deferred_units_due()


@shared_task(name="fulfillment.look_up_all")
def look_up_all() -> None:
    """Tick: make up for callbacks that were lost."""
    polling.request_all()


@shared_task(name="fulfillment.erase_personal_data")
def erase_personal_data() -> None:
    """Tick: erase customers' data that their orders need no more."""
    erasure.erase_due()


@handles(REDACT_CUSTOMER)
def redact_customer(webhook: WebhookPayload) -> None:
    """Erase a customer's data, because Shopify asks for it."""
    orders = privacy_requests.order_ids(webhook.body, "orders_to_redact")
    erasure.redact_customer(Shop.objects.get(id=webhook.shop), orders)


@handles(REDACT_SHOP_ASKED)
def shop_redaction_asked(webhook: WebhookPayload) -> None:
    """Have the data of all customers of a shop erased, if the app was removed there."""
    privacy_requests.shop_redaction_asked(Shop.objects.get(id=webhook.shop))


@handles(REDACT_IF_GONE)
def redact_shop(payload: ShopPayload) -> None:
    """Erase the data of all customers of a shop, if the app was removed there."""
    privacy_requests.redact_if_gone(Shop.objects.get(id=payload.shop))


@handles(DATA_REQUESTED)
def report_data_request(webhook: WebhookPayload) -> None:
    """Report to staff that a customer asks which of their data is stored."""
    privacy_requests.report_data_request(
        Shop.objects.get(id=webhook.shop),
        privacy_requests.order_ids(webhook.body, "orders_requested"),
        request_id=privacy_requests.request_id(webhook.body),
    )
