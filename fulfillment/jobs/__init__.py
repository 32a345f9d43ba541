"""Which job does what about an order: kinds, keys, lanes and priorities. Callers write `jobs.wms_orders.submit(...)`.

All jobs coalesce: a request with the key of a job that waits is the same job.
"""

from fulfillment.jobs import orders, privacy, returns, shipments, webhooks, wms_orders

__all__ = ["orders", "privacy", "returns", "shipments", "webhooks", "wms_orders"]
