"""The six metrics: what counts, what does not, and the alerts they raise and close."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from inventory.models import StockLevel
from ops.models import Alert, Job
from ops.refs import Subject
from tests.builders import (
    make_connection,
    make_dead_letter,
    make_level,
    make_shop,
    make_warehouse,
)
from tests.drain import drain
from wmsbridge import health
from wmsbridge.health import health_alerts
from wmsbridge.tasks import measure_health

pytestmark = pytest.mark.django_db


def ago(seconds: float) -> Any:
    return timezone.now() - timedelta(seconds=seconds)


@pytest.fixture
def shop() -> Any:
    return make_shop()


@pytest.fixture
def warehouse(shop: Any) -> Any:
    return make_warehouse(shop, make_connection())


def test_an_empty_installation_is_healthy_in_seven_statements(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(7):
        measurements = health.measure()
    assert [each.reading.value for each in measurements] == [0.0] * 6
    assert not any(each.crossed for each in measurements)


def test_crossing_a_threshold_alerts_once_and_back_to_normal_closes(warehouse: Any) -> None:
    level = make_level(warehouse, push_due_since=ago(2000))
    measure_health()
    measure_health()
    alert = Alert.objects.get(kind="health_stock_sync_lag")
    assert (alert.state, alert.count) == ("open", 1)
    assert "inventory.push" in alert.action
    drain()
    assert [message.subject for message in mail.outbox] == [f"[wmsbridge] warning: {alert.title}"]
    StockLevel.objects.filter(id=level.id).update(push_due_since=None)
    measure_health()
    alert.refresh_from_db()
    assert alert.state == "closed"


@pytest.mark.parametrize(("threshold", "crossed"), [(0.0, True), (1.0, False), (1.5, False)])
def test_a_metric_is_crossed_above_its_threshold_not_at_it(
    settings: Any, threshold: float, crossed: bool
) -> None:
    settings.HEALTH_THRESHOLDS = {**settings.HEALTH_THRESHOLDS, "dead_letter_depth": threshold}
    make_dead_letter()
    assert ("dead_letter_depth" in health_alerts.evaluate()) is crossed


def test_a_dead_letter_alert_closes_when_its_last_job_is_gone() -> None:
    job = make_dead_letter()
    other = make_dead_letter(lane="wms:south")
    for lane in ("wms:north", "wms:south"):
        Alert.objects.create(
            kind="dead_letter",
            subject=Subject(f"fulfillment.submit {lane}"),
            title="t",
            meaning="m",
            action="a",
        )
    Job.objects.filter(id=job.id).update(state="ready")
    assert health_alerts.close_settled_dead_letters() == 1
    assert Alert.objects.get(state="open").subject == f"fulfillment.submit {other.lane_id}"
