from __future__ import annotations

import importlib

from django.apps import AppConfig


class WmsbridgeConfig(AppConfig):
    name = "wmsbridge"
    verbose_name = "wmsbridge"

    def ready(self) -> None:
        """Register the system checks, which need the other apps to be loaded."""
        importlib.import_module("wmsbridge.checks")
