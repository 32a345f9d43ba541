"""The jobs and scheduled tasks about stock."""

from __future__ import annotations

from celery import shared_task
from django.utils.dateparse import parse_datetime

from inventory.push import push_batches, push_due, pushing, scope
from inventory.stock import levels, reconcile, stock_events
from ops.errors import Permanent
from ops.models import Job
from ops.workers.runner import Queue, job
from shops.models import Shop
from wms.models import Connection, Warehouse


@job("wms.inventory", queue=Queue.INVENTORY)
def stock_event(job: Job) -> None:
    """Apply a stock event of a WMS."""
    occurred_at = parse_datetime(str(job.payload["occurred_at"]))
    if occurred_at is None or occurred_at.tzinfo is None:
        raise Permanent(f"occurred_at is no time with a zone: {job.payload['occurred_at']!r}")
    stock_events.apply(
        stock_events.StockEvent(
            connection_id=job.payload["connection"],
            event_id=job.payload["event_id"],
            occurred_at=occurred_at,
            data=job.payload["data"],
        )
    )


@job("inventory.push", queue=Queue.INVENTORY)
def push_stock(job: Job) -> None:
    """Push the levels of a shop that are due to Shopify."""
    shop = Shop.objects.filter(pk=job.payload["shop"], is_active=True).first()
    if shop is not None:
        pushing.push(shop)


@job("skumap.mapped", queue=Queue.INVENTORY)
def push_mapped(job: Job) -> None:
    """Mark the items of variants whose mapping changed for a push, at all warehouses."""
    levels.mark_products_due(job.payload["shop"], variants=job.payload["variants"])


@job("wms.stock_scope_changed", queue=Queue.INVENTORY)
def check_scope(job: Job) -> None:
    """Check the scope of a warehouse after it or its connection was saved."""
    warehouse = Warehouse.objects.select_related("shop", "connection").get(pk=job.payload["warehouse"])
    scope.check(warehouse)


@job("inventory.reconcile", queue=Queue.INVENTORY)
def reconcile_page(job: Job) -> None:
    """Read one page of what changed at a WMS; the next page is another run of the same job."""
    connection = Connection.objects.filter(pk=job.payload["connection"], is_active=True).first()
    if connection is None:
        return
    full = bool(job.payload.get("full"))
    if not reconcile.reconcile(connection, full=full).done:
        reconcile.request(connection, full=full)


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
