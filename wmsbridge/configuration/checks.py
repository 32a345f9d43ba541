"""System checks of Django, which find mistakes of an installation before they cost an order."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from typing import Any

from celery import current_app
from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.utils.module_loading import module_has_submodule

from ops.net import targets
from shops.webhooks.topics import SUBSCRIBED, event_of
from wmsbridge.schedules.defaults import SCHEDULES


def _task_names() -> set[str]:
    """The names of all Celery tasks. This imports their modules, because a worker runs the checks before it does so."""
    for config in apps.get_app_configs():
        if module_has_submodule(config.module, "tasks"):
            importlib.import_module(f"{config.name}.tasks")
    return set(current_app.tasks)


@register(Tags.compatibility)
def every_topic_has_an_owner(**_: Any) -> Sequence[CheckMessage]:
    """Find subscribed topics without a task for their job kind. Their webhooks would all become dead letters."""
    owned = _task_names()
    kinds = {topic: event_of(topic).name for topic in SUBSCRIBED}
    return [
        Error(
            f"no Celery task is named {kind}, the job kind of the subscribed topic {topic}",
            hint="Add a handler with that kind to the tasks.py of the app that owns it, or drop the topic.",
            id="wmsbridge.E001",
        )
        for topic, kind in kinds.items()
        if kind not in owned
    ]


@register(Tags.compatibility)
def every_schedule_has_a_task(**_: Any) -> Sequence[CheckMessage]:
    """Find schedules without a task. Beat would send messages that no worker knows."""
    owned = _task_names()
    return [
        Error(
            f"no Celery task is named {name}, which is on a schedule",
            hint="See wmsbridge/schedules/defaults.py.",
            id="wmsbridge.E002",
        )
        for name in SCHEDULES
        if name not in owned
    ]


@register(Tags.compatibility)
def every_metric_has_a_threshold(**_: Any) -> Sequence[CheckMessage]:
    """Find thresholds that are useless: one below zero would raise its alert for ever, and one that is no number
    never."""
    return [
        Error(
            f"the threshold of {name} is {threshold:g}; it must be 0 or more",
            hint=f"Set HEALTH_{name.upper()}_… in the environment.",
            id="wmsbridge.E004",
        )
        for name, threshold in settings.HEALTH_THRESHOLDS.items()
        if not threshold >= 0
    ]


AGES = ("KEEP_PERSONAL_DATA_DAYS", "KEEP_PERSONAL_DATA_AT_MOST_DAYS", "KEEP_PAYLOADS_DAYS", "KEEP_JOBS_DAYS")


@register(Tags.compatibility)
def every_age_is_at_least_a_day(**_: Any) -> Sequence[CheckMessage]:
    """Find ages below one day. They would erase the addresses of orders in progress, and forget webhooks that Shopify
    still repeats."""
    return [
        Error(f"{name} is {getattr(settings, name)}; it must be at least 1", id="wmsbridge.E005")
        for name in AGES
        if getattr(settings, name) < 1
    ]


@register(Tags.compatibility)
def a_wms_settles_after_us(**_: Any) -> Sequence[CheckMessage]:
    """Find a settle time that is too short: "not found" may be believed only when no worker can still send the
    order."""
    longest = settings.CELERY_TASK_TIME_LIMIT
    if longest < settings.WMS_SETTLE_SECONDS:
        return []
    return [
        Error(
            f"WMS_SETTLE_SECONDS is {settings.WMS_SETTLE_SECONDS}; a job may take {longest} s, it must be more",
            id="wmsbridge.E006",
        )
    ]


@register(Tags.compatibility)
def stock_is_told_within_a_minute(**_: Any) -> Sequence[CheckMessage]:
    """Find a window in which Shopify would sell by old figures for too long, or that is no number."""
    window = settings.STOCK_PUSH_WINDOW_SECONDS
    if 0 <= window <= 60:
        return []
    return [
        Error(f"STOCK_PUSH_WINDOW_SECONDS is {window:g}; it must be from 0 to 60", id="wmsbridge.E009"),
    ]


@register(Tags.security, deploy=True)
def reachable_and_heard(**_: Any) -> Sequence[CheckMessage]:
    """Find what is missing in a production installation: a public address, and somebody who gets the alerts."""
    found: list[CheckMessage] = []
    if not settings.PUBLIC_URL.startswith("https://"):
        found.append(
            Warning(
                "PUBLIC_URL is not set to an https:// address",
                hint="Shopify sends webhooks to it; register_webhooks needs it.",
                id="wmsbridge.W001",
            )
        )
    if not (settings.ALERT_EMAILS or settings.ALERT_URLS):
        found.append(
            Warning(
                "nobody hears of alerts",
                hint="Set ALERT_EMAILS (and EMAIL_URL) or ALERT_URLS.",
                id="wmsbridge.W002",
            )
        )
    return found


@register(Tags.security)
def bounds_are_usable(**_: Any) -> Sequence[CheckMessage]:
    """Find a size limit that refuses every webhook, and private targets that are no hosts or networks."""
    found: list[CheckMessage] = []
    if settings.DATA_UPLOAD_MAX_MEMORY_SIZE < 1:
        found.append(Error("MAX_BODY_BYTES must be above 0", hint="Leave it out: 5 MB.", id="wmsbridge.E007"))
    try:
        targets.allowed()
    except ValueError as error:
        hint = "Host names and networks with commas, such as 10.0.0.0/8,wms.internal."
        found.append(Error(f"ALLOW_PRIVATE_TARGETS: {error}", hint=hint, id="wmsbridge.E008"))
    return found


RENAMED = {"HEALTH_STOCK_SYNC_LAG_SECONDS": "HEALTH_STOCK_SYNC_LAG_INTERVALS"}
"""Variables of earlier versions, and the variable that replaces each."""


@register(Tags.security, deploy=True)
def doors_are_shut(**_: Any) -> Sequence[CheckMessage]:
    """Find settings that only suit the machine of a developer."""
    found: list[CheckMessage] = []
    if any(host.startswith((".", "*")) for host in settings.ALLOWED_HOSTS):
        found.append(
            Warning(
                "ALLOWED_HOSTS takes any host",
                hint="Name the hosts: links in mails and redirects are made from the one that was asked for.",
                id="wmsbridge.W003",
            )
        )
    if not settings.HTTPS:
        found.append(Warning("HTTPS is off", hint="Passwords travel in the clear.", id="wmsbridge.W004"))
    if given := sorted(set(RENAMED) & set(os.environ)):
        found.append(
            Warning(
                f"{', '.join(given)}: not read any more",
                hint=", ".join(f"Use {RENAMED[name]}." for name in given),
                id="wmsbridge.W006",
            )
        )
    if any(entry.strip().endswith("/0") for entry in settings.ALLOW_PRIVATE_TARGETS):
        found.append(
            Warning("ALLOW_PRIVATE_TARGETS names everything", hint="Name your own.", id="wmsbridge.W005")
        )
    return found
