"""Job kinds of stock, and its tick."""

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
    """A WMS told of a level."""
    occurred_at = parse_datetime(str(job.payload["occurred_at"]))
    if occurred_at is None or occurred_at.tzinfo is None:
        raise Permanent(f"occurred_at is no time with a zone: {job.payload['occurred_at']!r}")
    stock_events.take(
        stock_events.StockEvent(
            connection_id=job.payload["connection"],
            event_id=job.payload["event_id"],
            occurred_at=occurred_at,
            data=job.payload["data"],
        )
    )


@job("inventory.push", queue=Queue.INVENTORY)
def push_stock(job: Job) -> None:
    """Levels of a shop are due to be told to Shopify."""
    shop = Shop.objects.filter(pk=job.payload["shop"], is_active=True).first()
    if shop is not None:
        pushing.push(shop)


@job("skumap.mapped", queue=Queue.INVENTORY)
def tell_mapped(job: Job) -> None:
    """Variants were mapped, or mapped otherwise: Shopify is told of their items wherever they lie."""
    levels.mark_products_due(job.payload["shop"], variants=job.payload["variants"])


@job("wms.stock_scope_changed", queue=Queue.INVENTORY)
def check_scope(job: Job) -> None:
    """A warehouse was saved, or its connection."""
    warehouse = Warehouse.objects.select_related("shop", "connection").get(pk=job.payload["warehouse"])
    scope.check(warehouse)


@job("inventory.reconcile", queue=Queue.INVENTORY)
def reconcile_page(job: Job) -> None:
    """One page of what changed at a WMS; the next page is a run of the same job."""
    connection = Connection.objects.filter(pk=job.payload["connection"], is_active=True).first()
    if connection is None:
        return
    full = bool(job.payload.get("full"))
    if not reconcile.reconcile(connection, full=full).done:
        reconcile.request(connection, full=full)


@shared_task(name="inventory.compare_all")
def compare_all() -> None:
    """Once a day: Shopify's figures against ours, all of them."""
    push_due.compare_all()


@shared_task(name="inventory.reconcile_all")
def reconcile_all() -> None:
    """Every quarter of an hour: the delta of every connection, and what the push missed."""
    reconcile.request_all()
    push_due.catch_up()
    push_batches.prune()
