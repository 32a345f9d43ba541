"""System checks: silent on a sound installation, one finding for each mistake."""

from __future__ import annotations

from math import nan
from typing import Any

import pytest
from django.core.checks import run_checks

from shops.jobs import webhook
from wmsbridge.configuration import checks
from wmsbridge.schedules.defaults import SCHEDULES


def test_this_installation_is_sound() -> None:
    assert [str(found) for found in run_checks() if str(found.id).startswith("wmsbridge.")] == []


def test_a_subscribed_topic_without_a_task_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "SUBSCRIBED", ("orders/paid", "orders/sung"))
    monkeypatch.setattr(checks, "event_of", webhook)
    (found,) = checks.every_topic_has_an_owner()
    assert found.id == "wmsbridge.E001"
    assert "shopify.orders/sung" in found.msg


def test_a_schedule_without_a_task_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = SCHEDULES["ops.sweep"]
    monkeypatch.setattr(checks, "SCHEDULES", {"ops.sweep": schedule, "ops.sleep": schedule})
    assert [found.id for found in checks.every_schedule_has_a_task()] == ["wmsbridge.E002"]


@pytest.mark.parametrize("threshold", [-1.0, float("nan")])
def test_a_threshold_that_always_or_never_alerts_is_an_error(settings: Any, threshold: float) -> None:
    settings.HEALTH_THRESHOLDS = {**settings.HEALTH_THRESHOLDS, "stock_sync_lag": threshold}
    (found,) = checks.every_metric_has_a_threshold()
    assert found.hint == "Set HEALTH_STOCK_SYNC_LAG_… in the environment."


def test_an_age_of_less_than_a_day_is_an_error(settings: Any) -> None:
    settings.KEEP_PERSONAL_DATA_DAYS = 0
    assert [found.id for found in checks.every_age_is_at_least_a_day()] == ["wmsbridge.E005"]


@pytest.mark.parametrize(("seconds", "found"), [(57, ["wmsbridge.E006"]), (58, [])])
def test_no_order_is_missed_before_the_worker_that_sends_it_must_be_over(
    settings: Any, seconds: int, found: list[str]
) -> None:
    settings.WMS_SETTLE_SECONDS = seconds
    assert [error.id for error in checks.a_wms_settles_after_us()] == found


@pytest.mark.parametrize(
    ("seconds", "found"),
    [
        (-1.0, ["wmsbridge.E009"]),
        (0.0, []),
        (60.0, []),
        (61.0, ["wmsbridge.E009"]),
        (nan, ["wmsbridge.E009"]),
    ],
)
def test_stock_may_gather_for_a_minute_at_most(settings: Any, seconds: float, found: list[str]) -> None:
    settings.STOCK_PUSH_WINDOW_SECONDS = seconds
    assert [error.id for error in checks.stock_is_told_within_a_minute()] == found


def test_a_deployment_must_be_reachable_and_heard(settings: Any) -> None:
    settings.PUBLIC_URL, settings.ALERT_EMAILS, settings.ALERT_URLS = "", [], []
    found = [each.id for each in checks.reachable_and_heard()]
    assert found == ["wmsbridge.W001", "wmsbridge.W002"]


def test_a_variable_that_was_renamed_is_not_passed_over_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEALTH_STOCK_SYNC_LAG_SECONDS", "300")
    (found,) = [each for each in checks.doors_are_shut() if each.id == "wmsbridge.W006"]
    assert found.hint == "Use HEALTH_STOCK_SYNC_LAG_INTERVALS."
