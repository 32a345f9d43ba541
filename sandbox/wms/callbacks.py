"""The callbacks about orders, shipments and stock."""

from sandbox.wms.state import Connection, Json, Stock, WmsOrder
from sandbox.wms.world import World


def send_order_status(world: World, connection: Connection, order: WmsOrder, reason: str = "") -> None:
    """Sends the callback order_status."""
    data = {"wmsOrderId": order.id, "status": order.status, **({"reason": reason} if reason else {})}
    world.call_back(connection, "order_status", data)


def send_shipment(world: World, connection: Connection, shipment: Json) -> None:
    """Sends the callback shipment."""
    data = {
        "wmsOrderId": shipment["order_id"],
        "wmsShipmentId": shipment["id"],
        "warehouseId": shipment["warehouse"],
        "shippedItems": [
            {"wmsItemCode": each["wmsItemCode"], "quantityShipped": each["quantity"]}
            for each in shipment["items"]
        ],
        "trackingNumber": shipment["trackingNumber"],
        "carrierCode": shipment["carrierCode"],
        "shippedAt": shipment["shipped_at"],
    }
    world.call_back(connection, "shipment", data)


def send_stock(world: World, connection: Connection, stock: Stock, event_type: str) -> None:
    """Sends the callback inventory."""
    data = {
        "wmsItemCode": stock.item,
        "warehouseId": stock.warehouse,
        "availableQuantity": stock.available,
        "onHandQuantity": stock.on_hand,
        "eventType": event_type,
        "sequence": stock.sequence,
    }
    world.call_back(connection, "inventory", data)
