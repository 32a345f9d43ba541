"""The alerts about orders, by what they are about. Callers write `alerts.orders.order_edited(...)`."""

from fulfillment.alerts import cancellations, orders, privacy, returns, routing, shipments, wms_orders

__all__ = ["cancellations", "orders", "privacy", "returns", "routing", "shipments", "wms_orders"]
