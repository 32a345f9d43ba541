from __future__ import annotations

import importlib

from django.apps import AppConfig


class WmsbridgeConfig(AppConfig):
    name = "wmsbridge"
    verbose_name = "wmsbridge"

    def ready(self) -> None:
        """What needs the other apps to be loaded: the system checks, and what workers do around tasks."""
        importlib.import_module("wmsbridge.checks")
        importlib.import_module("wmsbridge.worker_signals").connect()
