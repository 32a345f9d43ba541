"""Tables of orders, of what left the warehouses and of what comes back, and the words for their states."""

from fulfillment.models.orders import (
    FulfillmentOrder,
    FulfillmentOrderLine,
    Order,
    OrderLine,
)
from fulfillment.models.returns import Return, ReturnLine
from fulfillment.models.shipments import Fulfillment, Shipment, ShipmentCount, ShipmentLine, ShipmentUnit
from fulfillment.models.wms_orders import WmsOrder, WmsOrderLine

__all__ = [
    "Fulfillment",
    "FulfillmentOrder",
    "FulfillmentOrderLine",
    "Order",
    "OrderLine",
    "Return",
    "ReturnLine",
    "Shipment",
    "ShipmentCount",
    "ShipmentLine",
    "ShipmentUnit",
    "WmsOrder",
    "WmsOrderLine",
]
