"""Celery tasks of the project: they measure health, raise and close alerts, and show that scheduled work runs."""

from __future__ import annotations

from celery import shared_task
from django.core.management import call_command

from wmsbridge.health import health_alerts
from wmsbridge.monitoring import refused_requests, workers
from wmsbridge.schedules import watch


@shared_task(name="wmsbridge.measure_health")
def measure_health() -> None:
    """Every minute: measure health, and raise and close the alerts about it."""
    health_alerts.close_readable_secrets()
    health_alerts.evaluate()
    health_alerts.close_settled_dead_letters()


@shared_task(name="wmsbridge.tick")
def tick() -> None:
    """Every few seconds: note that beat, broker and a worker work together. Without such a note /readyz complains."""
    workers.note_tick()
    refused_requests.update_alerts()


@shared_task(name="wmsbridge.watch_schedules")
def watch_schedules() -> None:
    """Every minute in each queue: alert staff to schedules that did not run or are off. Workers send this, not beat."""
    watch.update_alerts()


@shared_task(name="wmsbridge.clear_sessions")
def clear_sessions() -> None:
    """Daily: delete the sessions of staff that have expired."""
    call_command("clearsessions")
