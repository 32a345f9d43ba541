"""Orders as the database has them, for tests of the console and the commands: no servers, only rows."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from fulfillment.models import (
    Fulfillment,
    FulfillmentOrder,
    FulfillmentOrderLine,
    Order,
    OrderLine,
    Return,
    ReturnLine,
    Shipment,
    ShipmentLine,
    ShipmentUnit,
    WmsOrder,
    WmsOrderLine,
)
from shops.ids import FulfillmentOrderId, FulfillmentOrderLineId, ShopifyLineId, VariantId
from shops.models import Shop
from tests.builders import (
    make_connection,
    make_job,
    make_level,
    make_mapping,
    make_order,
    make_shipment,
    make_shop,
    make_warehouse,
    make_wms_order,
)
from wms.ids import ExternalId
from wms.models import Connection, Warehouse

ADDRESS = {
    "name": "Ada Lovelace",
    "address1": "Main Street 1",
    "zip": "10115",
    "country": "DE",
    "email": "a@b.example",
}


def place() -> Warehouse:
    """A shop with one warehouse that knows the mug and has ten of it."""
    shop = Shop.objects.first() or make_shop()
    warehouse = make_warehouse(shop, Connection.objects.first() or make_connection())
    make_mapping(warehouse, 11, "MUG")
    make_level(warehouse, "MUG", 10)
    return warehouse


def ordered(shop: Shop, *, variant: int | None = 11, units: int = 2, **changes: Any) -> Order:
    """A paid order of some mugs, as it was read at Shopify."""
    order = make_order(shop, ship_to=json.dumps(ADDRESS), **changes)
    line = OrderLine.objects.create(
        order=order,
        shopify_line_id=ShopifyLineId(order.shopify_order_id + 1),
        shopify_variant_id=VariantId(variant) if variant else None,
        sku="SKU-MUG",
        title="A mug",
        quantity=units,
    )
    work = FulfillmentOrder.objects.create(
        order=order,
        shopify_fulfillment_order_id=FulfillmentOrderId(order.shopify_order_id + 2),
        status="OPEN",
        delivery_method="SHIPPING",
    )
    FulfillmentOrderLine.objects.create(
        fulfillment_order=work,
        shopify_line_id=FulfillmentOrderLineId(order.shopify_order_id + 3),
        order_line=line,
        total_quantity=units,
        remaining_quantity=units,
    )
    return order


def add_line(order: Order, *, variant: int | None, units: int, sku: str = "SKU-TEE") -> OrderLine:
    """A further line of the order, in the fulfilment order that it has."""
    number = order.shopify_order_id + 10 * (1 + order.lines.count())
    line = OrderLine.objects.create(
        order=order,
        shopify_line_id=ShopifyLineId(number),
        shopify_variant_id=VariantId(variant) if variant else None,
        sku=sku,
        title="A tee",
        quantity=units,
    )
    FulfillmentOrderLine.objects.create(
        fulfillment_order=order.fulfillment_orders.get(),
        shopify_line_id=FulfillmentOrderLineId(number),
        order_line=line,
        total_quantity=units,
        remaining_quantity=units,
    )
    return line


def at_warehouse(
    warehouse: Warehouse, *, units: int = 2, part: dict[str, Any] | None = None, **changes: Any
) -> Order:
    """An order that the warehouse has, with one job behind it."""
    order = ordered(warehouse.shop, units=units, **{"state": "at_warehouse", **changes})
    row = make_wms_order(order, warehouse, **(part or {}))
    WmsOrderLine.objects.create(
        wms_order=row, order_line=order.lines.get(), item_code="MUG", quantity=units, per_unit=1
    )
    make_job("fulfillment.submit", subject=order.subject)
    return order


def shipped(warehouse: Warehouse, **changes: Any) -> Shipment:
    """An order with everything: sent, told to Shopify, and on its way back."""
    order = at_warehouse(warehouse, state="shipped")
    row = order.wms_orders.get()
    values = {"tracking_number": f"TRK{order.pk}", "carrier_code": "dhl", "state": "fulfilled", **changes}
    if values["state"] == "fulfilled":
        values |= {"shopify_fulfillment_id": order.shopify_order_id + 9, "fulfilled_at": timezone.now()}
    shipment = make_shipment(row, **values)
    ShipmentLine.objects.create(shipment=shipment, item_code="MUG", quantity=2, counted=2)
    told = 2 if shipment.state == "fulfilled" else 0
    ShipmentUnit.objects.create(shipment=shipment, order_line=order.lines.get(), quantity=2, fulfilled=told)
    if told:
        Fulfillment.objects.create(
            shipment=shipment,
            state="told",
            units={str(order.lines.get().shopify_line_id): 2},
            tracking={"number": shipment.tracking_number, "company": "DHL"},
            shopify_fulfillment_id=shipment.shopify_fulfillment_id,
        )
    back = Return.objects.create(
        wms_order=row, external_id=ExternalId(f"{row.external_id}:return"), reason="too late"
    )
    ReturnLine.objects.create(parent=back, item_code="MUG", quantity=2)
    return shipment


def in_question(warehouse: Warehouse) -> WmsOrder:
    """A WMS order of which nobody knows whether the WMS has it."""
    part = {"wms_status": "submitting", "outcome": "unknown", "remote_id": "", "accepted_at": None}
    order = at_warehouse(warehouse, part=part, state="held", reason="outcome_unknown", reason_detail="north")
    return order.wms_orders.get()


def staff(client: Client, *permissions: str) -> User:
    """Somebody with these permissions ("view_order") only, logged in."""
    user = User.objects.create_user("grace", password="x", is_staff=True)
    user.user_permissions.add(*Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    return user
