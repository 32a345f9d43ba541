from __future__ import annotations

import importlib

from django.apps import AppConfig

from ops.queue import subjects


class FulfillmentConfig(AppConfig):
    name = "fulfillment"
    verbose_name = "Fulfilment"

    def ready(self) -> None:
        """Register the names that staff use for orders, and what the webhooks of orders mean."""
        subjects.register_namer(importlib.import_module("fulfillment.console.order_text").names, kind="order")
        importlib.import_module("fulfillment.orders.topics").register()
