"""The front page of the console: the six metrics, what needs a person, and the state of lanes and orders."""

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
"""A metric is shown as near to its threshold from this fraction of it on."""

UNFINISHED = (OrderState.WAITING, OrderState.READY, OrderState.HELD, OrderState.AT_WAREHOUSE)

PARTS = {
    "alerts": "ops.view_alert",
    "lanes": "ops.view_lane",
    "jobs": "ops.view_job",
    "orders": "fulfillment.view_order",
}
"""The permission for each part of the front page: to view the rows that it sums up."""

TILES = {
    "order_submission_lag": "fulfillment.view_order",
    "unmapped_sku_rate": "fulfillment.view_order",
    "wms_api_errors": "ops.view_job",
    "stock_sync_lag": "inventory.view_stocklevel",
    "fulfilment_callback_time": "fulfillment.view_shipment",
    "dead_letter_depth": "ops.view_job",
}
"""The permission for each metric: to view the rows that it measures."""

admin.site.index_title = "Overview"


@admin.register(AccessAttempt)
class AccessAttemptAdmin(ReadOnlyAdmin):
    """The page of wrong passwords, by name and address. Deleting a row unlocks the log-in."""

    list_display = ("username", "ip_address", "failures_since_start", "attempt_time")
    search_fields = ("username", "ip_address")
    fields = ("username", "ip_address", "failures_since_start", "attempt_time", "user_agent")

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Whether the user has the permission. Deleting a row unlocks the log-in."""
        return bool(request.user.has_perm("axes.delete_accessattempt"))


@dataclass(frozen=True)
class LaneRow:
    """One lane on the front page."""

    lane: Lane
    depth: depth.Depth
    down_since: datetime | None = None

    @property
    def tone(self) -> str:
        """The colour of the lane."""
        if self.lane.paused or self.lane.circuit == Circuit.HALF_OPEN:
            return "warning"
        return "danger" if self.lane.circuit == Circuit.OPEN else "success"

    @property
    def state(self) -> str:
        """The state of the lane in a word."""
        return "paused" if self.lane.paused else self.lane.circuit.replace("_", " ")

    @property
    def weight(self) -> tuple[bool, int]:
        """The order on the page: first lanes that do not run, then the deepest."""
        return self.tone != "success", self.depth.due + self.depth.parked + self.depth.dead


def front_page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The context of templates/admin/index.html, with what the user may see. This takes fourteen statements."""
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
    """The blocked work that the user may see. Nothing is read if they may see none."""
    if not sees & {"alerts", "lanes", "jobs"}:
        return blocked_work.BlockedWork(parked=[], decisions=None)
    found = blocked_work.blocked_work()
    return replace(
        found,
        parked=found.parked if "jobs" in sees else [],
        decisions=found.decisions if "alerts" in sees else None,
    )


def _tile(measurement: health.Measurement) -> dict[str, Any]:
    """The tile of a metric: its value, how much of its threshold it is, and its colour."""
    value, counts = measurement.reading.value, measurement.reading.meaningful
    threshold, crossed = measurement.threshold, measurement.crossed
    fraction = value / threshold if threshold else float(crossed)
    return {
        "measurement": measurement,
        "value": f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.1f}",
        "sign": measurement.metric.unit.sign,
        "threshold": f"{threshold:g}",
        "tone": "danger" if crossed else "warning" if counts and fraction >= NEAR else "success",
        "filled": min(100, round(100 * fraction)) if counts else 0,
    }


def lane_rows(down: Mapping[str, datetime]) -> list[LaneRow]:
    """The rows of all lanes: first those that do not run, then the deepest. `down` says since when a circuit is
    open."""
    depths = depth.by_lane()
    rows = [
        LaneRow(lane, depths.get(lane.name, depth.Depth()), down.get(lane.name))
        for lane in Lane.objects.order_by("name")
    ]
    return sorted(rows, key=lambda row: row.weight, reverse=True)


def order_states() -> list[dict[str, Any]]:
    """Unfinished orders by state. Finished orders are not counted, because there are too many."""
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
