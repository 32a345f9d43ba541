"""References to orders, WMS orders, shipments and returns."""

from __future__ import annotations

from typing import NamedTuple, NewType

from ops import refs
from ops.refs import ParkKey, Subject
from shops.ids import FulfillmentOrderId, ShopifyOrderId, ShopPk
from shops.refs import parse_webhook_subject, webhook_subject
from wms.ids import ConnectionPk, ExternalId, RemoteOrderId, RemoteReturnId, RemoteShipmentId

OrderPk = NewType("OrderPk", int)
"""Our id of an order."""

WmsOrderPk = NewType("WmsOrderPk", int)
"""Our id of a WMS order."""

ShipmentPk = NewType("ShipmentPk", int)
"""Our id of a shipment."""

ReturnPk = NewType("ReturnPk", int)
"""Our id of a return."""


class OrderRef(NamedTuple):
    """An order of a shop, by Shopify's id. We may not have read it yet."""

    shop_pk: ShopPk
    shopify_order_id: ShopifyOrderId


class WmsOrderRef(NamedTuple):
    """A part of an order, as its external id names it."""

    domain: str
    shopify_order_id: ShopifyOrderId
    part: int


class ShipmentRef(NamedTuple):
    """A shipment that a WMS reported."""

    connection_pk: ConnectionPk
    remote_id: RemoteShipmentId


def order_key(order_pk: OrderPk) -> ParkKey:
    """The park key of work that waits until Shopify, or a person, lets an order go."""
    return ParkKey(f"order:{order_pk}")


def order_subject(shop_pk: ShopPk, shopify_order_id: ShopifyOrderId) -> Subject:
    """The subject of jobs and alerts about an order, also of webhooks that come before we have a row of it."""
    return webhook_subject("order", shop_pk, shopify_order_id)


def parse_order(subject: str) -> OrderRef | None:
    """The order that a subject is about; None if it is about something else."""
    found = parse_webhook_subject(subject, name="order")
    return OrderRef(found.shop_pk, ShopifyOrderId(found.number)) if found else None


def fulfillment_order_subject(shop_pk: ShopPk, fulfillment_order_id: FulfillmentOrderId) -> Subject:
    """The subject of work on a fulfilment order whose order we do not know."""
    return webhook_subject("fulfillment_order", shop_pk, fulfillment_order_id)


def part_external_id(domain: str, shopify_order_id: ShopifyOrderId, part: int) -> ExternalId:
    """The external id that a WMS gets with a part of an order. It never changes."""
    return ExternalId(f"wms:order:{domain}:{shopify_order_id}:{part}")


def return_external_id(order: ExternalId) -> ExternalId:
    """The external id of a return that we announce."""
    return ExternalId(f"{order}:return")


def unannounced_return_external_id(order: ExternalId, remote_id: RemoteReturnId) -> ExternalId:
    """The external id of a return that came without an announcement."""
    return ExternalId(f"{order}:return:{remote_id}"[: refs.MOST])


def reduction_key(order: ExternalId, number: int) -> str:
    """The idempotency key of one request to send less of a part."""
    return f"{order}:change:{number}"


def cancel_key(order: ExternalId) -> str:
    """The idempotency key of the request to cancel a part."""
    return f"{order}:cancel"


def parse_external_id(text: str) -> WmsOrderRef | None:
    """The part of an order that an external id of the part, or of a return, names; None for any other text.

    The subjects of callbacks of a connection with the name "order" begin in the same way. But the ids of a WMS do not
    consist of a shop's domain, a number and a part.
    """
    parts = text.split(":", 5)
    if parts[:2] != ["wms", "order"] or len(parts) < 5:
        return None
    domain, number, part = parts[2], refs.number_in(parts[3]), refs.number_in(parts[4])
    suffix = parts[5] if len(parts) == 6 else None
    is_return = suffix is not None and (suffix == "return" or suffix.startswith("return:"))
    if "." not in domain or number is None or part is None or not (suffix is None or is_return):
        return None
    return WmsOrderRef(domain, ShopifyOrderId(number), part)


def external_subject(external_id: ExternalId) -> Subject:
    """The subject of jobs and alerts about a part of an order, or about a return."""
    return Subject(external_id)


def decision_key(external_id: ExternalId) -> ParkKey:
    """The park key of work that waits until a person says whether a WMS has an order, or expects a return."""
    return ParkKey(f"decision:{external_id}")


def arrival_key(connection_pk: ConnectionPk, remote_id: RemoteOrderId) -> ParkKey:
    """The park key of callbacks about an order that we do not know yet: they may come before our call returns."""
    return ParkKey(f"wms_order:{connection_pk}:{remote_id}")


def unknown_order_subject(connection_pk: ConnectionPk, remote_id: RemoteOrderId) -> Subject:
    """The subject of alerts about an order of a WMS that we do not know."""
    return Subject(f"wms_order:{connection_pk}:{remote_id}")


def unknown_return_subject(connection_pk: ConnectionPk, remote_id: RemoteReturnId) -> Subject:
    """The subject of alerts about a return whose order we do not know."""
    return Subject(f"return:{connection_pk}:{remote_id}")


def unknown_status_subject(slug: str, word: str) -> Subject:
    """The subject of alerts about an unknown word of a WMS for the state of an order."""
    return Subject(f"{slug}:{word}"[: refs.MOST])


def shipment_subject(connection_pk: ConnectionPk, remote_id: RemoteShipmentId) -> Subject:
    """The subject of jobs and alerts about a shipment."""
    return Subject(f"shipment:{connection_pk}:{remote_id}")


def parse_shipment(subject: str) -> ShipmentRef | None:
    """The shipment that a subject is about; None if it is about something else."""
    found = refs.numbered(subject, "shipment")
    return ShipmentRef(ConnectionPk(found[0]), RemoteShipmentId(found[1])) if found else None


def backfill_subject(domain: str, feed: str) -> Subject:
    """The subject of alerts about a backfill of a shop."""
    return Subject(f"backfill:{domain}:{feed}")
