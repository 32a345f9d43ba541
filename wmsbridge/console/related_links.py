"""Links from a job or an alert to the pages of what it is about, and to what a person would edit to remove the
cause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from django.contrib.auth.models import AbstractUser
from django.db.models import Model, Q
from django.urls import reverse

from fulfillment.console.sections import Link, at_shopify, page_of
from fulfillment.models import Order, Return, Shipment, WmsOrder
from fulfillment.refs import parse_external_id, parse_order, parse_shipment, part_external_id
from inventory.refs import parse_late
from ops.alerting.own_alerts import DEAD_LETTER
from ops.models import Alert, Lane
from ops.refs import parse_dead_letters
from shops.models import Shop
from shops.refs import parse_shop, shop_lane
from skumap.alerts import UNMAPPED_SKU
from skumap.models import SkuMapping
from skumap.refs import parse_variant
from wms.models import Connection, Warehouse
from wms.refs import connection_lane, parse_callback, parse_connections, parse_slug
from wmsbridge.alerts.health import HEALTH
from wmsbridge.console.navigation import list_url

MOST_MAPPINGS = 5
MOST_SUBJECTS = 3


SUBMISSION_LAG = HEALTH["order_submission_lag"].name
CALLBACK_TIME = HEALTH["fulfilment_callback_time"].name

LISTS = {
    SUBMISSION_LAG: [
        ("Orders that are routed, not sent", "fulfillment.order", "question=unsent"),
        ("All lanes", "ops.lane", ""),
    ],
    HEALTH["unmapped_sku_rate"].name: [
        ("SKUs that are not mapped", "ops.alert", f"q={UNMAPPED_SKU.name}&state__exact=open"),
        ("Orders that they hold", "fulfillment.order", "question=not_routed"),
    ],
    CALLBACK_TIME: [
        ("Shipments that Shopify does not know yet", "fulfillment.shipment", "state__exact=received"),
    ],
}
"""The lists that a kind of alert links to: text, model, query."""


def related_links(
    subject: str, *, lane: str = "", payload: Mapping[str, Any] | None = None, user: AbstractUser
) -> list[Link]:
    """The links to what a job or an alert is about, if the user may see it. This takes nine statements at most."""
    found: dict[str, Link] = {}
    for model, link in _about(subject, lane, payload or {}):
        if user.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}"):
            found.setdefault(link.url, link)
    return list(found.values())


def of_alert(alert: Alert, *, user: AbstractUser) -> list[Link]:
    """The links to what an alert is about. An alert about dead letters links to their list."""
    found = [*_dead_letters(alert)] if user.has_perm("ops.view_job") else []
    for subject in (alert.subject, *_subjects_of_cause(alert)):
        found += [link for link in related_links(subject, user=user) if link not in found]
        if user.has_perm("ops.view_lane") and Lane.objects.filter(name=subject).exists():
            found.append(Link(f"Lane {subject}", reverse("admin:ops_lane_change", args=[subject])))
    for text, model, query in LISTS.get(alert.kind, ()):
        if user.has_perm(model.replace(".", ".view_")):
            found.append(Link(text, list_url(model, query)))
    return found


def _dead_letters(alert: Alert) -> Iterator[Link]:
    """Links to the dead letters that an alert counts: those of a kind and lane, all, or those of the WMSs that
    failed."""
    if alert.kind == DEAD_LETTER.name:
        kind, lane = parse_dead_letters(alert.subject)
        query = urlencode({"situation": "dead", "kind": kind, "lane__name__exact": lane})
        yield Link("These dead letters", list_url("ops.job", query))
    elif alert.kind == HEALTH["dead_letter_depth"].name:
        yield Link("All dead letters", list_url("ops.job", "situation=dead"))
    elif alert.kind == HEALTH["wms_api_errors"].name:
        for lane in _subjects_of_cause(alert):
            query = urlencode({"situation": "dead", "lane__name__exact": lane})
            yield Link(f"Dead letters of {lane}", list_url("ops.job", query))


def _subjects_of_cause(alert: Alert) -> list[str]:
    """The subjects in the latest cause of a health alert: lanes of WMSs and shops, or an order or a parcel."""
    cause = alert.causes[0] if alert.causes else ""
    if alert.kind == HEALTH["wms_api_errors"].name:
        return [connection_lane(slug) for slug in parse_connections(cause)[:MOST_SUBJECTS]]
    if alert.kind == HEALTH["stock_sync_lag"].name and (late := parse_late(cause)):
        return [connection_lane(late.slug), shop_lane(late.domain)]
    if alert.kind in (SUBMISSION_LAG, CALLBACK_TIME) and ":" in cause:
        return [cause]
    return []


def _about(subject: str, lane: str, payload: Mapping[str, Any]) -> Iterator[tuple[type[Model], Link]]:
    """Links to all that a subject, a lane and a payload name, each with the model that the user must be able to
    view."""
    part = _wms_order(subject, payload)
    order = part.order if part else _order(subject)
    if order:
        yield Order, Link(f"Order {order.name}", page_of(order))
    if part:
        yield from _part_links(part)
    yield from _shipment_or_return(subject)
    if order:
        yield Order, Link("The order in Shopify", at_shopify(order), away=True)
    if found := parse_variant(subject):
        yield from _mappings(str(found.variant), "Its SKU mappings")
    yield from _shop_and_connection(subject, lane)


def _part_links(part: WmsOrder) -> Iterator[tuple[type[Model], Link]]:
    """Links to a WMS order, its warehouse, the mappings of its items, and its connection."""
    yield WmsOrder, Link(f"WMS order, part {part.part}", page_of(part))
    yield Warehouse, Link(f"Warehouse {part.warehouse.place}", page_of(part.warehouse))
    items = part.lines.order_by("item_code").values_list("item_code", flat=True).distinct()
    for item in items[:MOST_MAPPINGS]:
        yield from _mappings(item, f"SKU mappings of {item}")
    yield from _shop_and_connection("", part.warehouse.connection.lane)


def _mappings(what: str, text: str) -> Iterator[tuple[type[Model], Link]]:
    yield SkuMapping, Link(text, list_url("skumap.skumapping", f"q={quote(what)}"))


def _shipment_or_return(subject: str) -> Iterator[tuple[type[Model], Link]]:
    """Links to the shipment or the return that a subject is about."""
    if found := parse_shipment(subject):
        shipment = Shipment.objects.filter(
            connection_id=found.connection_pk, wms_shipment_id=found.remote_id
        ).first()
        if shipment:
            yield Shipment, Link(f"Shipment {shipment.wms_shipment_id}", page_of(shipment))
    if parse_external_id(subject):
        row = Return.objects.filter(external_id=subject).first()
        if row:
            yield Return, Link("The return", page_of(row))


def _shop_and_connection(subject: str, lane: str) -> Iterator[tuple[type[Model], Link]]:
    """Links to the shop and to the connection that a lane or a subject names."""
    for name in (lane, subject):
        if found := parse_shop(name):
            named = Q(id=found.pk) if found.domain is None else Q(domain=found.domain)
            for shop in Shop.objects.filter(named).only("id", "domain"):
                yield Shop, Link(f"Shop {shop.domain}", page_of(shop))
        elif slug := parse_slug(name):
            for connection in Connection.objects.filter(slug=slug).only("id", "slug"):
                yield Connection, Link(f"Connection {connection.slug}", page_of(connection))


def _order(subject: str) -> Order | None:
    found = parse_order(subject)
    if found is None:
        return None
    orders = Order.objects.select_related("shop").defer("ship_to", "routing")
    return orders.filter(shop_id=found.shop_pk, shopify_order_id=found.shopify_order_id).first()


def _wms_order(subject: str, payload: Mapping[str, Any]) -> WmsOrder | None:
    """Find the WMS order by the payload, by its external id, or by the id that the WMS gave it."""
    rows = WmsOrder.objects.select_related("order__shop", "warehouse__connection").defer("order__ship_to")
    if isinstance(payload.get("wms_order"), int):
        return rows.filter(id=payload["wms_order"]).first()
    if part := parse_external_id(subject):
        return rows.filter(external_id=part_external_id(*part)).first()
    if found := parse_callback(subject):
        return rows.filter(warehouse__connection__slug=found.slug, remote_id=found.about).first()
    return None
