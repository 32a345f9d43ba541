"""From a job or an alert to the pages of what it is about, and to what a person would edit to remove the cause."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from django.contrib.auth.models import AbstractUser
from django.db.models import Model
from django.urls import reverse

from fulfillment import order_subjects
from fulfillment.console.sections import at_shopify
from fulfillment.models import Order, Return, Shipment, WmsOrder
from ops.alerting.own_alerts import DEAD_LETTER
from ops.models import Alert, Lane
from shops.models import Shop
from skumap.alerts import UNMAPPED_SKU
from skumap.models import SkuMapping
from wms.models import Connection, Warehouse
from wmsbridge.alerts.health import HEALTH
from wmsbridge.console.navigation import list_url

MOST_MAPPINGS = 5
MOST_ENDS = 3


@dataclass(frozen=True)
class Lead:
    """Where a person may go next; `away` = out of the console."""

    text: str
    url: str
    away: bool = False


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
"""Kind of alert -> lists of all that it is about: text, model, query."""


def leads(
    subject: str, *, lane: str = "", payload: Mapping[str, Any] | None = None, user: AbstractUser
) -> list[Lead]:
    """Links to what a job or an alert is about, those that the user may see; at most nine statements."""
    found: dict[str, Lead] = {}
    for model, lead in _about(subject, lane, payload or {}):
        if user.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}"):
            found.setdefault(lead.url, lead)
    return list(found.values())


def of_alert(alert: Alert, *, user: AbstractUser) -> list[Lead]:
    """Links to what an alert is about; of dead letters, the list of those that it counts."""
    found = [*_dead_letters(alert)] if user.has_perm("ops.view_job") else []
    for subject in (alert.subject, *_ends_of(alert)):
        found += [lead for lead in leads(subject, user=user) if lead not in found]
        if user.has_perm("ops.view_lane") and Lane.objects.filter(name=subject).exists():
            found.append(Lead(f"Lane {subject}", reverse("admin:ops_lane_change", args=[subject])))
    for text, model, query in LISTS.get(alert.kind, ()):
        if user.has_perm(model.replace(".", ".view_")):
            found.append(Lead(text, list_url(model, query)))
    return found


def _dead_letters(alert: Alert) -> Iterator[Lead]:
    if alert.kind == DEAD_LETTER.name:
        kind, _, lane = alert.subject.partition(" ")
        query = urlencode({"situation": "dead", "kind": kind, "lane__name__exact": lane})
        yield Lead("These dead letters", list_url("ops.job", query))
    elif alert.kind == HEALTH["dead_letter_depth"].name:
        yield Lead("All dead letters", list_url("ops.job", "situation=dead"))
    elif alert.kind == HEALTH["wms_api_errors"].name:
        for lane in _ends_of(alert):
            query = urlencode({"situation": "dead", "lane__name__exact": lane})
            yield Lead(f"Dead letters of {lane}", list_url("ops.job", query))


def _ends_of(alert: Alert) -> list[str]:
    """What a health alert names in its latest cause: lanes of WMSs and shops, or an order or parcel."""
    cause = alert.causes[0] if alert.causes else ""
    if alert.kind == HEALTH["wms_api_errors"].name:
        return [f"wms:{slug}" for slug in cause.split(",")[:MOST_ENDS] if slug]
    if alert.kind == HEALTH["stock_sync_lag"].name and cause.count(":") >= 2:  # step:shop:wms/code
        _, shop, place = cause.split(":", 2)
        return [f"wms:{place.partition('/')[0]}", f"shop:{shop}"]
    if alert.kind in (SUBMISSION_LAG, CALLBACK_TIME) and ":" in cause:
        return [cause]
    return []


def _about(subject: str, lane: str, payload: Mapping[str, Any]) -> Iterator[tuple[type[Model], Lead]]:
    part = _wms_order(subject, payload)
    order = part.order if part else _order(subject)
    if order:
        yield Order, Lead(f"Order {order.name}", _page(order))
    if part:
        yield from _of_part(part)
    yield from _of_goods(subject)
    if order:
        yield Order, Lead("The order in Shopify", at_shopify(order), away=True)
    if variant := re.fullmatch(r"sku:[^:]+:(\d+)", subject):
        yield from _mappings(variant[1], "Its SKU mappings")
    yield from _of_ends(subject, lane)


def _of_part(part: WmsOrder) -> Iterator[tuple[type[Model], Lead]]:
    yield WmsOrder, Lead(f"WMS order, part {part.part}", _page(part))
    yield Warehouse, Lead(f"Warehouse {part.warehouse.place}", _page(part.warehouse))
    items = part.lines.order_by("item_code").values_list("item_code", flat=True).distinct()
    for item in items[:MOST_MAPPINGS]:
        yield from _mappings(item, f"SKU mappings of {item}")
    yield from _of_ends("", part.warehouse.connection.lane)


def _mappings(what: str, text: str) -> Iterator[tuple[type[Model], Lead]]:
    yield SkuMapping, Lead(text, list_url("skumap.skumapping", f"q={quote(what)}"))


def _of_goods(subject: str) -> Iterator[tuple[type[Model], Lead]]:
    """shipment:<connection id>:<its id>, and returns by their external id."""
    if found := re.fullmatch(r"shipment:(\d{1,18}):(.+)", subject):
        shipment = Shipment.objects.filter(connection_id=int(found[1]), wms_shipment_id=found[2]).first()
        if shipment:
            yield Shipment, Lead(f"Shipment {shipment.wms_shipment_id}", _page(shipment))
    if ":return" in subject:
        row = Return.objects.filter(external_id=subject).first()
        if row:
            yield Return, Lead("The return", _page(row))


def _of_ends(subject: str, lane: str) -> Iterator[tuple[type[Model], Lead]]:
    """The shop and the connection that a lane or a subject names."""
    for name in (lane.removesuffix("/in"), subject):
        end, _, rest = name.partition(":")
        if end == "shop":
            named = {"id": int(rest)} if re.fullmatch(r"\d{1,18}", rest) else {"domain": rest}
            for shop in Shop.objects.filter(**named).only("id", "domain"):
                yield Shop, Lead(f"Shop {shop.domain}", _page(shop))
        elif end == "wms":
            for connection in Connection.objects.filter(slug=rest.partition(":")[0]).only("id", "slug"):
                yield Connection, Lead(f"Connection {connection.slug}", _page(connection))


def _order(subject: str) -> Order | None:
    ids = order_subjects.parse(subject)
    if ids is None:
        return None
    orders = Order.objects.select_related("shop").defer("ship_to", "routing")
    return orders.filter(shop_id=ids[0], shopify_order_id=ids[1]).first()


def _wms_order(subject: str, payload: Mapping[str, Any]) -> WmsOrder | None:
    """By the payload, by the external id, or by the WMS's id: wms:<slug>:<id>."""
    rows = WmsOrder.objects.select_related("order__shop", "warehouse__connection").defer("order__ship_to")
    if isinstance(payload.get("wms_order"), int):
        return rows.filter(id=payload["wms_order"]).first()
    if subject.startswith("wms:order:"):
        return rows.filter(external_id=subject.partition(":return")[0]).first()
    if found := re.fullmatch(r"wms:([^:]+):(.+)", subject):
        return rows.filter(warehouse__connection__slug=found[1], wms_order_id=found[2]).first()
    return None


def _page(row: Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
