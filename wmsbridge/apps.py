from __future__ import annotations

import importlib

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


class WmsbridgeConfig(AppConfig):
    name = "wmsbridge"
    verbose_name = "wmsbridge"

    def ready(self) -> None:
        """Set up what needs the other apps: system checks, the signals of workers, schedules."""
        importlib.import_module("wmsbridge.configuration.checks")
        importlib.import_module("wmsbridge.monitoring.worker_signals").connect()
        importlib.import_module("wmsbridge.threads.time_limits").connect()
        make_missing = importlib.import_module("wmsbridge.schedules.rows").make_missing
        post_migrate.connect(make_missing, sender=apps.get_app_config("django_celery_beat"))
