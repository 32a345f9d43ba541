"""The pages of the console, requested as a browser requests them."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.models import User
from django.test import Client

from bench.tables.calls import PAGE, Call, Sample
from fulfillment.console.order_page import page
from ops.console.timeline import timeline


def pages(found: Sample) -> list[Call]:
    """The calls for the page of an order and for the lists."""
    client = Client()
    client.force_login(User.objects.get(username="grace"))
    order = found.shipped

    def shows(path: str) -> Callable[[], object]:
        return lambda: _get(client, f"/admin/{path}")

    lists = {
        "front page": "",
        "jobs": "ops/job/",
        "jobs, dead letters": "ops/job/?situation=dead",
        "jobs, due": "ops/job/?situation=due",
        "jobs, parked": "ops/job/?situation=parked",
        "jobs, done": "ops/job/?situation=done",
        "jobs, to be tried again": "ops/job/?situation=again",
        "jobs, dead of a kind": "ops/job/?situation=dead&kind=fulfillment.submit",
        "jobs, of a lane": "ops/job/?lane__name__exact=wms:wms-1",
        "jobs, by subject": f"ops/job/?q={order.subject}",
        "lanes": "ops/lane/",
        "alerts, open": "ops/alert/?state__exact=open",
        "alerts": "ops/alert/",
        "orders": "fulfillment/order/",
        "orders, held": "fulfillment/order/?state__exact=held",
        "orders, unshipped for long": "fulfillment/order/?question=unshipped",
        "orders, by name": f"fulfillment/order/?q={order.name.removeprefix('#')}",
        "orders, by Shopify id": f"fulfillment/order/?q={order.shopify_order_id}",
        "orders, by tracking number": f"fulfillment/order/?q=00340{order.id}",
        "WMS orders": "fulfillment/wmsorder/",
        "WMS orders, unshipped for long": "fulfillment/wmsorder/?question=unshipped",
        "shipments, held": "fulfillment/shipment/?state__exact=held",
        "stock levels": "inventory/stocklevel/",
    }
    return [
        Call("page of an order", lambda: page(order, with_personal_data=True)),
        Call("timeline of an order", lambda: timeline([order.subject])),
        *(Call(f"console: {name}", shows(path), PAGE) for name, path in lists.items()),
    ]


def _get(client: Client, path: str) -> None:
    answer = client.get(path, secure=True)
    if answer.status_code != 200:
        raise RuntimeError(f"{path} answered {answer.status_code}")
