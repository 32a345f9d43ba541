"""The jobs and scheduled tasks about stock."""

from __future__ import annotations

from celery import shared_task

from inventory import jobs
from inventory.jobs import CHECK_SCOPE, PUSH, PUSH_MAPPED, RECONCILE, STOCK_REPORTED, ReconcilePayload
from inventory.push import push_batches, push_due, pushing, scope
from inventory.stock import levels, reconcile, stock_events
from ops.queue.kinds import TypedJob
from ops.workers.handlers import handles, handles_batch
from shops.jobs import ShopPayload
from shops.models import Shop
from skumap.jobs import VariantsPayload
from wms.jobs import CallbackPayload, WarehousePayload
from wms.models import Connection, Warehouse


@handles_batch(STOCK_REPORTED)
def stock_reported(callbacks: list[TypedJob[CallbackPayload]]) -> None:
    """Apply stock events of a WMS."""
    events = [
        stock_events.StockEvent(
            connection_id=each.payload.connection,
            event_id=each.payload.event_id,
            occurred_at=each.payload.occurred_at,
            data=each.payload.data,
        )
        for each in callbacks
    ]
    stock_events.apply(events)


@handles(PUSH)
def push_stock(payload: ShopPayload) -> None:
    """Push the levels of a shop that are due to Shopify."""
    shop = Shop.objects.filter(pk=payload.shop, is_active=True).first()
    if shop is not None:
        pushing.push(shop)


@handles(PUSH_MAPPED)
def push_mapped(mapped: VariantsPayload) -> None:
    """Mark the items of variants whose mapping changed for a push, at all warehouses."""
    levels.mark_products_due(mapped.shop, variants=mapped.variants)


@handles(CHECK_SCOPE)
def check_scope(payload: WarehousePayload) -> None:
    """Check the scope of a warehouse after it or its connection was saved."""
    scope.check(Warehouse.objects.select_related("shop", "connection").get(pk=payload.warehouse))


@handles(RECONCILE)
def reconcile_page(payload: ReconcilePayload) -> None:
    """Read one page of what changed at a WMS; the next page is another run of the same job."""
    connection = Connection.objects.filter(pk=payload.connection, is_active=True).first()
    if connection is not None and not reconcile.reconcile(connection, full=payload.full).done:
        jobs.reconcile(connection, full=payload.full)


@shared_task(name="inventory.compare_all")
def compare_all() -> None:
    """Once a day, compare all quantities at Shopify with ours."""
    push_due.compare_all()


@shared_task(name="inventory.reconcile_all")
def reconcile_all() -> None:
    """Every quarter of an hour, read what changed at every connection, and catch up on what the push missed."""
    reconcile.request_all()
    push_due.catch_up()
    push_batches.prune()
