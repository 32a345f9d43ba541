"""The books: what really happened in the warehouses, for those who check it."""

from collections import Counter

from sandbox.wms.orders import FINAL
from sandbox.wms.state import Connection, Json, WmsOrder, stamp
from sandbox.wms.world import World


def order_books(order: WmsOrder) -> Json:
    """Returns one order."""
    return {
        "id": order.id,
        "externalOrderId": order.external_id,
        "externalRef": order.external_ref,
        "warehouseCode": order.warehouse,
        "status": order.status,
        "history": order.history,
        "cancel_asked": order.cancel_asked,
        "lines": [
            {
                "wmsItemCode": line.item,
                "quantity": line.quantity,
                "externalLineId": line.external_id,
                "shipped": line.shipped,
            }
            for line in order.lines
        ],
        "shippingAddress": order.address,
        "shippingMethod": order.shipping_method,
        "created_at": stamp(order.created_at),
    }


def connection_books(connection: Connection) -> Json:
    """Returns everything about one connection."""
    creates = {external: len(made) for external, made in connection.by_external.items()}
    return {
        "orders": [order_books(order) for order in connection.orders.values()],
        "creates": creates,
        "create_calls": dict(connection.create_calls),
        "duplicates": [external for external, count in creates.items() if count > 1],
        "shipments": connection.shipments,
        "returns": list(connection.returns.values()),
        "stock": [
            {
                "warehouse": each.warehouse,
                "item": each.item,
                "on_hand": each.on_hand,
                "allocated": each.allocated,
                "available": each.available,
                "updated_at": stamp(each.updated_at),
                "sequence": each.sequence,
            }
            for each in connection.stock.values()
        ],
        "early": dict(connection.early),
        "requests": dict(connection.requests),
        "unauthorised": connection.unauthorised,
        "refused": connection.refused,
    }


def counts(world: World) -> Json:
    """Returns how many orders have not ended, and the callbacks that came before their order's call returned."""
    with world.lock:
        every = [order for each in world.connections.values() for order in each.orders.values()]
        early = sum((each.early for each in world.connections.values()), Counter())
    return {"moving": sum(order.status not in FINAL for order in every), "early": dict(early)}


def world_books(world: World, slug: str | None) -> Json:
    """Returns everything that happened at one connection, or at all connections when no slug is given."""
    with world.lock:
        connections = {
            name: connection_books(each) for name, each in world.connections.items() if slug in (None, name)
        }
    return {
        "connections": connections,
        "callbacks": world.delivery_queue.books(),
        "faults": world.faults.books(),
    }
