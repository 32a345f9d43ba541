"""The project's own chores: measure health, raise and close its alerts, show that the clockwork runs."""

from __future__ import annotations

from celery import shared_task
from django.core.management import call_command

from wmsbridge.health import health_alerts
from wmsbridge.monitoring import refused_requests, workers
from wmsbridge.schedules import watch


@shared_task(name="wmsbridge.measure_health")
def measure_health() -> None:
    """Every minute: a crossed threshold alerts, a normal one closes its alert."""
    health_alerts.close_readable_secrets()
    health_alerts.evaluate()
    health_alerts.close_settled_dead_letters()


@shared_task(name="wmsbridge.tick")
def tick() -> None:
    """Every few seconds: beat, broker and a worker work together, or /readyz says so."""
    workers.note_tick()
    refused_requests.update_alerts()


@shared_task(name="wmsbridge.watch_schedules")
def watch_schedules() -> None:
    """Every minute in each queue, sent by workers, not by beat: what did not run, and what is switched off, is told."""
    watch.look()


@shared_task(name="wmsbridge.clear_sessions")
def clear_sessions() -> None:
    """Daily: staff's sessions that are over."""
    call_command("clearsessions")
