"""A person who watches one metric: time passes, the alert and its mail come, and go once the cause is gone."""

from __future__ import annotations

from datetime import timedelta

from django.core import mail
from django.db.models import DateTimeField, F
from django.test import Client

from fulfillment.models import Order, Shipment, WmsOrder
from ops.models import Alert, Job
from tests.drain import drain
from wmsbridge import health
from wmsbridge.tasks import measure_health

MOVED = (Order, WmsOrder, Shipment, Job)


def pass_time(**units: float) -> None:
    """All that happened to orders, parcels and jobs happened so much longer ago."""
    ago = timedelta(**units)
    for model in MOVED:
        moments = [field.name for field in model._meta.fields if isinstance(field, DateTimeField)]
        model._default_manager.update(**{name: F(name) - ago for name in moments})


class Watch:
    """Looks at one metric the way people do: on the front page, in the alerts, in the mail."""

    def __init__(self, metric: str, client: Client) -> None:
        self.metric, self.client = metric, client

    def measured(self) -> health.Measurement:
        """The metric as it stands now."""
        return next(each for each in health.measure() if each.metric.name == self.metric)

    def alerted(self) -> Alert:
        """The alert that the next measurement opens, or leaves open. The tile is red; one mail says what to do."""
        measure_health()
        alert = Alert.objects.get(kind=f"health_{self.metric}", state="open")
        assert self._is_red()
        drain()
        (told,) = (m for m in mail.outbox if m.subject == f"[wmsbridge] warning: {alert.title}")
        assert alert.action in told.body
        return alert

    def is_well(self) -> bool:
        """After the next measurement no alert is open, and the tile is no red one."""
        measure_health()
        is_open = Alert.objects.filter(kind=f"health_{self.metric}", state="open").exists()
        return not is_open and not self._is_red()

    def _is_red(self) -> bool:
        page = self.client.get("/admin/").content.decode()
        return f'data-metric="{self.metric}" data-tone="danger"' in page
