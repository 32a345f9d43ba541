"""The console's pages of orders, WMS orders, shipments and returns. Actions only enqueue jobs."""

from fulfillment.admin.orders import OrderAdmin
from fulfillment.admin.returns import ReturnAdmin
from fulfillment.admin.shipments import ShipmentAdmin
from fulfillment.admin.wms_orders import WmsOrderAdmin

__all__ = ["OrderAdmin", "ReturnAdmin", "ShipmentAdmin", "WmsOrderAdmin"]
