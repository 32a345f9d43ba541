"""The console's front page: how the six metrics stand, what needs a person, how lanes and orders fare."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from axes.models import AccessAttempt
from django.contrib import admin
from django.db.models import Count, Min, Model
from django.http import HttpRequest

from fulfillment.models import Order
from fulfillment.models.states import OrderState
from ops.admin import ReadOnlyAdmin
from ops.alerting.notifications import URGENCY
from ops.models import Alert, Circuit, Lane
from ops.queue import depth
from wmsbridge import health
from wmsbridge.console import blocked_work
from wmsbridge.console.navigation import list_url
from wmsbridge.schedules import admin as _schedules  # noqa: F401  # registers its pages
from wmsbridge.staff import admin as _staff  # noqa: F401  # registers its pages

MOST_ALERTS = 8
NEAR = 0.6
"""The share of its threshold from which on a metric is shown as near to it."""

UNFINISHED = (OrderState.WAITING, OrderState.READY, OrderState.HELD, OrderState.AT_WAREHOUSE)

PARTS = {
    "alerts": "ops.view_alert",
    "lanes": "ops.view_lane",
    "jobs": "ops.view_job",
    "orders": "fulfillment.view_order",
}
"""Part of the front page -> the right to see the rows that it sums up."""

TILES = {
    "order_submission_lag": "fulfillment.view_order",
    "unmapped_sku_rate": "fulfillment.view_order",
    "wms_api_errors": "ops.view_job",
    "stock_sync_lag": "inventory.view_stocklevel",
    "fulfilment_callback_time": "fulfillment.view_shipment",
    "dead_letter_depth": "ops.view_job",
}
"""Metric -> the right to see the rows that it measures."""

admin.site.index_title = "Overview"


@admin.register(AccessAttempt)
class AccessAttemptAdmin(ReadOnlyAdmin):
    """Wrong passwords by name and address. Whoever may delete a row unlocks the name."""

    list_display = ("username", "ip_address", "failures_since_start", "attempt_time")
    search_fields = ("username", "ip_address")
    fields = ("username", "ip_address", "failures_since_start", "attempt_time", "user_agent")

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Whoever was given the right: it is how a person unlocks."""
        return bool(request.user.has_perm("axes.delete_accessattempt"))


@dataclass(frozen=True)
class LaneRow:
    """One lane on the front page."""

    lane: Lane
    depth: depth.Depth
    down_since: datetime | None = None

    @property
    def tone(self) -> str:
        """The colour it is shown in."""
        if self.lane.paused or self.lane.circuit == Circuit.HALF_OPEN:
            return "warning"
        return "danger" if self.lane.circuit == Circuit.OPEN else "success"

    @property
    def state(self) -> str:
        """In a word."""
        return "paused" if self.lane.paused else self.lane.circuit.replace("_", " ")

    @property
    def weight(self) -> tuple[bool, int]:
        """What needs eyes first: lanes that do not run, then the deepest."""
        return self.tone != "success", self.depth.due + self.depth.parked + self.depth.dead


def front_page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What templates/admin/index.html shows, of it what the user may see; fourteen statements whatever the load."""
    sees = {part for part, right in PARTS.items() if request.user.has_perm(right)}
    tiles = _tiles(request)
    blocked = _blocked_work(sees)
    lanes = lane_rows(blocked.down) if sees & {"lanes", "jobs"} else []
    return {
        **context,
        "sees": sees,
        "sees_nothing": not (sees or tiles or context.get("app_list")),
        "tiles": tiles,
        "alerts": Alert.objects.filter(state=Alert.State.OPEN).order_by(URGENCY, "-last_at")[:MOST_ALERTS],
        "lanes": lanes,
        "blocked": blocked,
        "dead": sum(row.depth.dead for row in lanes),
        "orders": order_states() if "orders" in sees else [],
        "links": {
            "alerts": list_url("ops.alert", "state__exact=open"),
            "dead": list_url("ops.job", "situation=dead"),
            "lanes": list_url("ops.lane"),
            "jobs": list_url("ops.job"),
            "orders": list_url("fulfillment.order"),
        },
    }


def _tiles(request: HttpRequest) -> list[dict[str, Any]]:
    seen = {metric for metric, right in TILES.items() if request.user.has_perm(right)}
    return [_tile(each) for each in health.measure() if each.metric.name in seen] if seen else []


def _blocked_work(sees: Set[str]) -> blocked_work.BlockedWork:
    if not sees & {"alerts", "lanes", "jobs"}:
        return blocked_work.BlockedWork(parked=[], decisions=None)
    found = blocked_work.blocked_work()
    return replace(
        found,
        parked=found.parked if "jobs" in sees else [],
        decisions=found.decisions if "alerts" in sees else None,
    )


def _tile(measurement: health.Measurement) -> dict[str, Any]:
    value, counts = measurement.reading.value, measurement.reading.meaningful
    threshold, crossed = measurement.threshold, measurement.crossed
    share = value / threshold if threshold else float(crossed)
    return {
        "measurement": measurement,
        "value": f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.1f}",
        "sign": measurement.metric.unit.sign,
        "threshold": f"{threshold:g}",
        "tone": "danger" if crossed else "warning" if counts and share >= NEAR else "success",
        "filled": min(100, round(100 * share)) if counts else 0,
    }


def lane_rows(down: Mapping[str, datetime]) -> list[LaneRow]:
    """The lanes that need eyes first, then the deepest. `down`: since when circuits are open, by lane."""
    depths = depth.by_lane()
    rows = [
        LaneRow(lane, depths.get(lane.name, depth.Depth()), down.get(lane.name))
        for lane in Lane.objects.order_by("name")
    ]
    return sorted(rows, key=lambda row: row.weight, reverse=True)


def order_states() -> list[dict[str, Any]]:
    """Unfinished orders by state; the finished ones are never counted, there are too many."""
    unfinished = Order.objects.filter(state__in=UNFINISHED).values_list("state").order_by()
    found = unfinished.annotate(Count("id"), Min("state_since"))
    counts = {state: (count, since) for state, count, since in found}
    return [
        {
            "state": state,
            "label": str(state.label),
            "count": counts.get(state, (0, None))[0],
            "since": counts.get(state, (0, None))[1],
            "url": list_url("fulfillment.order", f"state__exact={state}"),
        }
        for state in UNFINISHED
    ]
