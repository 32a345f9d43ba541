"""Tables of orders, of what warehouses send for them and of what comes back, and the names of their states."""

from fulfillment.models.fulfillment_orders import FulfillmentOrder, FulfillmentOrderLine
from fulfillment.models.fulfillments import Fulfillment
from fulfillment.models.orders import Order, OrderLine
from fulfillment.models.returns import Return, ReturnLine
from fulfillment.models.shipments import Shipment, ShipmentCount, ShipmentLine, ShipmentUnit
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
