"""Domain sentences for tests: each makes one row with sensible values."""

from __future__ import annotations

import itertools
from typing import Any

from django.utils import timezone

from fulfillment.models import Order, Return, Shipment, WmsOrder
from inventory.models import PushBatch, Reservation, StockLevel, Watermark
from ops.models import Job, JobAttempt, Lane
from shops.ids import VariantId
from shops.models import Shop
from skumap.models import SkuMapping
from wms.models import Connection, Warehouse

_numbers = itertools.count(1000)


def make_shop(domain: str = "berlin.myshopify.com", **changes: Any) -> Shop:
    """A shop with a static token and a webhook secret."""
    values = {"access_token": "shpat_test", "webhook_secret": "shop-secret", **changes}
    return Shop.objects.create(domain=domain, **values)


def make_connection(slug: str = "north", **changes: Any) -> Connection:
    """A connection by the `rest` adapter."""
    values = {
        "base_url": f"http://wms.test/{slug}",
        "token": "wms-token",
        "callback_secret": "wms-secret",
        **changes,
    }
    return Connection.objects.create(slug=slug, **values)


def make_warehouse(shop: Shop, connection: Connection, name: str = "Berlin", **changes: Any) -> Warehouse:
    """A warehouse at a Shopify location of its own."""
    number = next(_numbers)
    values = {
        "wms_warehouse_code": name[:3].upper() + "1",
        "shopify_location_id": number,
        "priority": 1,
        **changes,
    }
    return Warehouse.objects.create(shop=shop, connection=connection, name=name, **values)


def make_mapping(warehouse: Warehouse, variant: int = 11, item: str = "MUG", **changes: Any) -> SkuMapping:
    """One unit of the variant is one unit of the item at the warehouse."""
    values = {"shopify_sku": f"SKU-{item}", "shopify_inventory_item_id": variant + 1_000_000, **changes}
    return SkuMapping.objects.create(
        shop=warehouse.shop,
        warehouse=warehouse,
        shopify_variant_id=VariantId(variant),
        wms_item_code=item,
        **values,
    )


def make_level(warehouse: Warehouse, item: str = "MUG", available: int = 10, **changes: Any) -> StockLevel:
    """A stock level as the WMS reported it a moment ago."""
    values = {"on_hand": available, "observed_at": timezone.now(), **changes}
    return StockLevel.objects.create(warehouse=warehouse, item_code=item, available=available, **values)


def make_job(kind: str = "fulfillment.submit", lane: str = "wms:north", **changes: Any) -> Job:
    """A job that is due; its lane is made with it."""
    values = {"key": f"test:{next(_numbers)}", "lane": Lane.objects.get_or_create(name=lane)[0], **changes}
    return Job.objects.create(kind=kind, **values)


def make_dead_letter(kind: str = "fulfillment.submit", lane: str = "wms:north", **changes: Any) -> Job:
    """A job that failed for good a moment ago, with the run that killed it."""
    values = {"error_class": "Permanent", "error": "unknown item", "attempts": 1, **changes}
    job = make_job(kind, lane, state="dead", finished_at=timezone.now(), **values)
    attempt = {"attempt": 1, "outcome": "permanent", "error_class": job.error_class, "error": job.error}
    JobAttempt.objects.create(job=job, **attempt)
    return job


def make_order(shop: Shop, **changes: Any) -> Order:
    """A paid order that became ready a moment ago."""
    now, number = timezone.now(), next(_numbers)
    values = {
        "shopify_order_id": 5_000_000_000_000 + number,
        "name": f"#{number}",
        "state": "ready",
        "shopify_updated_at": now,
        "ready_at": now,
        "country": "DE",
        **changes,
    }
    return Order.objects.create(shop=shop, **values)


def make_wms_order(order: Order, warehouse: Warehouse, **changes: Any) -> WmsOrder:
    """The first part of the order, accepted by the warehouse's WMS."""
    values = {
        "part": 1,
        "external_id": f"wms:order:{order.shop.domain}:{order.shopify_order_id}:1",
        "wms_status": "accepted",
        "remote_id": f"W{next(_numbers)}",
        "attempt": 1,
        "outcome": "confirmed",
        "accepted_at": timezone.now(),
        **changes,
    }
    return WmsOrder.objects.create(order=order, warehouse=warehouse, **values)


def make_shipment(wms_order: WmsOrder, **changes: Any) -> Shipment:
    """A consignment that the WMS reported a moment ago."""
    values = {"wms_shipment_id": f"S{next(_numbers)}", "remote_order_id": wms_order.remote_id, **changes}
    connection = wms_order.warehouse.connection
    return Shipment.objects.create(connection=connection, wms_order=wms_order, **values)


def make_return(wms_order: WmsOrder, **changes: Any) -> Return:
    """Goods of the WMS order that are to come back."""
    values = {"external_id": f"{wms_order.external_id}:return", "reason": "cancelled too late", **changes}
    return Return.objects.create(wms_order=wms_order, **values)


def make_reservation(level: StockLevel, reference: str = "wms:order:b:1:1", **changes: Any) -> Reservation:
    """One unit of the level, promised to a WMS order."""
    return Reservation.objects.create(level=level, reference=reference, **{"quantity": 1, **changes})


def make_watermark(connection: Connection, **changes: Any) -> Watermark:
    """The connection's stock was reconciled until now."""
    return Watermark.objects.create(connection=connection, **{"updated_since": timezone.now(), **changes})


def make_push_batch(shop: Shop, **changes: Any) -> PushBatch:
    """A call about stock that Shopify answered a moment ago."""
    values = {
        "key": f"push-{next(_numbers)}",
        "operation": PushBatch.Operation.SET,
        "variables": {"input": {"quantities": [{"quantity": 3}]}},
        "state": PushBatch.State.DONE,
        "finished_at": timezone.now(),
        **changes,
    }
    return PushBatch.objects.create(shop=shop, **values)
