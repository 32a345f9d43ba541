"""The six metrics: what counts, what does not, and the alerts they raise and close."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from fulfillment.models import Order
from inventory.models import StockLevel
from ops.models import Alert, Job
from tests.builders import (
    make_connection,
    make_dead_letter,
    make_level,
    make_order,
    make_shipment,
    make_shop,
    make_warehouse,
    make_wms_order,
)
from tests.drain import drain
from wmsbridge import alarms, health
from wmsbridge.health import mappings, shipments, submission
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


def test_submission_lag_is_the_age_of_the_oldest_ready_order(shop: Any) -> None:
    make_order(shop, ready_at=ago(300))
    make_order(shop, ready_at=ago(10))
    assert submission.order_submission_lag().value == pytest.approx(300, abs=5)


def test_submission_lag_counts_an_order_whose_wms_has_not_answered(shop: Any, warehouse: Any) -> None:
    order = make_order(shop, state="at_warehouse", ready_at=ago(300))
    make_wms_order(order, warehouse, wms_status="submitting", outcome="in_flight", accepted_at=None)
    assert submission.order_submission_lag().value == pytest.approx(300, abs=5)


def test_submission_lag_leaves_out_orders_that_a_person_or_shopify_holds(shop: Any) -> None:
    make_order(shop, state="held", reason="unmapped_sku", ready_at=ago(300))
    make_order(shop, state="waiting", reason="unpaid", ready_at=None)
    assert submission.order_submission_lag().value == 0


def test_submission_lag_shows_p99_of_the_last_hour(shop: Any, warehouse: Any) -> None:
    make_wms_order(make_order(shop, state="at_warehouse", ready_at=ago(8)), warehouse, accepted_at=ago(5))
    old = make_order(shop, state="at_warehouse", ready_at=ago(9000))
    make_wms_order(old, warehouse, accepted_at=ago(7200))
    reading = submission.order_submission_lag()
    assert reading.value == 0
    assert reading.parts["p99"] == pytest.approx(3, abs=0.5)


def test_unmapped_rate_is_the_share_of_the_last_day(shop: Any) -> None:
    make_order(shop, state="held", reason="unmapped_sku")
    make_order(shop)
    make_order(shop, state="held", reason="no_warehouse")
    make_order(shop)
    Order.objects.filter(id=make_order(shop).id).update(received_at=ago(90_000))
    assert mappings.unmapped_sku_rate().value == 25


def test_callback_time_counts_shipments_on_their_way_only(shop: Any, warehouse: Any) -> None:
    wms_order = make_wms_order(make_order(shop, state="at_warehouse"), warehouse)
    make_shipment(wms_order, state="fulfilling", received_at=ago(200))
    make_shipment(wms_order, state="held", received_at=ago(900))
    make_shipment(
        wms_order,
        state="fulfilled",
        received_at=ago(30),
        fulfilled_at=ago(26),
        shopify_fulfillment_id=7,
    )
    reading = shipments.fulfilment_callback_time()
    assert reading.value == pytest.approx(200, abs=5)
    assert reading.parts["p99"] == pytest.approx(4, abs=0.5)


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
    assert ("dead_letter_depth" in alarms.sound()) is crossed


def test_a_dead_letter_alert_closes_when_its_last_job_is_gone() -> None:
    job = make_dead_letter()
    other = make_dead_letter(lane="wms:south")
    for lane in ("wms:north", "wms:south"):
        Alert.objects.create(
            kind="dead_letter", subject=f"fulfillment.submit {lane}", title="t", meaning="m", action="a"
        )
    Job.objects.filter(id=job.id).update(state="ready")
    assert alarms.close_settled_dead_letters() == 1
    assert Alert.objects.get(state="open").subject == f"fulfillment.submit {other.lane_id}"
