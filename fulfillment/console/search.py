"""Finds orders by any id or name that a person has. Each look-up uses one index and joins no tables."""

from __future__ import annotations

import re

from django.db.models import Q

from fulfillment.models import Order, Shipment, WmsOrder
from shops.models import Shop
from wms.models import Connection

MOST = 200
"""A search returns at most so many rows; a person cannot use more."""

_LARGEST = 2**63 - 1
_LAST_NUMBER = re.compile(r"(?:^|/)(\d{1,19})/?(?:\?.*)?$", re.ASCII)


def number_in(text: str) -> int | None:
    """The id in a number, a gid or an address of Shopify's admin; None if there is none."""
    found = _LAST_NUMBER.search(text.strip())
    number = int(found[1]) if found else 0
    return number if 0 < number <= _LARGEST else None


def orders_named(text: str) -> list[int]:
    """Our ids of orders by name ("#1001", with or without the sign) or Shopify id (number, gid or address)."""
    text = text.strip()
    found = list(
        Order.objects.filter(name__in={text, f"#{text}"}).order_by().values_list("id", flat=True)[:MOST]
    )
    number = number_in(text)
    if number is not None:
        # The index begins with the shop, so the query must name the shops (below: the connections) to use it.
        shops = list(Shop.objects.values_list("id", flat=True))
        rows = Order.objects.filter(shop_id__in=shops, shopify_order_id=number)
        found += rows.order_by().values_list("id", flat=True)[:MOST]
    return list(dict.fromkeys(found))


def wms_orders(text: str) -> list[int]:
    """Our ids of WMS orders by external id or the WMS's own id, which must match exactly."""
    text = text.strip()
    named = Q(external_id=text) | Q(remote_id=text)
    return list(WmsOrder.objects.filter(named).order_by().values_list("id", flat=True)[:MOST]) if text else []


def shipments(text: str) -> list[int]:
    """Our ids of shipments by tracking number (spaces do not matter), the WMS's shipment or order id, or fulfilment."""
    text, packed = text.strip(), re.sub(r"\s+", "", text)
    if not text:
        return []
    connections = list(Connection.objects.values_list("id", flat=True))
    named = (
        Q(tracking_number__in={text, packed})
        | Q(tracking_numbers__overlap=[text, packed])
        | Q(remote_order_id=text)
        | Q(connection_id__in=connections, wms_shipment_id=text)
    )
    number = number_in(text)
    if number is not None:
        named |= Q(shopify_fulfillment_id=number)
    return list(Shipment.objects.filter(named).order_by().values_list("id", flat=True)[:MOST])


def orders(text: str) -> list[int]:
    """Our ids of orders by name, Shopify id, external id, WMS order id or tracking number, as pasted."""
    parts, shipment_pks = wms_orders(text), shipments(text)
    found = orders_named(text)
    if parts:
        found += WmsOrder.objects.filter(id__in=parts).values_list("order", flat=True)
    if shipment_pks:
        found += Shipment.objects.filter(id__in=shipment_pks, wms_order__isnull=False).values_list(
            "wms_order__order", flat=True
        )
    return list(dict.fromkeys(found))


def parts_of_orders(order_pks: list[int]) -> list[int]:
    """Our ids of the WMS orders of these orders."""
    return list(
        WmsOrder.objects.filter(order_id__in=order_pks).order_by().values_list("id", flat=True)[:MOST]
    )
