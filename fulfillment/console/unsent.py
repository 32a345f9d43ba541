"""Why, and since when, a WMS order was routed but not sent. Computed with the list that shows it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Concat, JSONObject
from django.utils.dateparse import parse_datetime

from fulfillment.models import Order, WmsOrder
from fulfillment.wms_order_states import UNCONFIRMED
from ops.alerting.own_alerts import CIRCUIT_OPEN
from ops.models import Circuit, Lane
from ops.queue.jobs import parked_jobs

ANNOTATION = "unsent_part"


def condition() -> Q:
    """Selects the orders of which a part is routed and not sent. It begins with the parts, as there are few of them."""
    return Q(id__in=WmsOrder.objects.filter(wms_status__in=UNCONFIRMED).values("order"))


def annotated(orders: QuerySet[Order]) -> QuerySet[Order]:
    """The orders, each with its first such part and the possible causes, in one statement."""
    lane = Concat(Value("wms:"), F("warehouse__connection__slug"))
    outer = Concat(Value("wms:"), OuterRef("warehouse__connection__slug"))
    jobs = parked_jobs(Concat(Value("submit:"), OuterRef("external_id")))
    lanes = Lane.objects.filter(name=outer)
    down = CIRCUIT_OPEN.opened().filter(subject=outer)
    parts = WmsOrder.objects.filter(order=OuterRef("pk"), wms_status__in=UNCONFIRMED).annotate(
        lane_name=lane,
        parked=Subquery(jobs.values("error")[:1]),
        parked_since=Subquery(jobs.values("parked_since")[:1]),
        circuit=Subquery(lanes.values("circuit")[:1]),
        lane_paused=Subquery(lanes.values("paused")[:1]),
        down_since=Subquery(down.values("first_at")[:1]),
    )
    fields = {
        "warehouse": "warehouse__name",
        "connection": "warehouse__connection__slug",
        "code": "warehouse__wms_warehouse_code",
        "paused": "warehouse__paused",
        "active": "warehouse__is_active",
        "connected": "warehouse__connection__is_active",
        "asked": "attempt",
        "since": "created_at",
        "parked": "parked",
        "parked_since": "parked_since",
        "circuit": "circuit",
        "lane_paused": "lane_paused",
        "down_since": "down_since",
    }
    part = parts.order_by("part").values(found=JSONObject(**fields))[:1]
    return orders.annotate(**{ANNOTATION: Subquery(part)})


def why(order: Order) -> str:
    """Why a part of an order from `annotated` is not sent; "" if all of it is."""
    part: Mapping[str, Any] | None = getattr(order, ANNOTATION, None)
    if part is None:
        return ""
    cause, since = _cause(part)
    begun = f" since {since:%Y-%m-%d %H:%M} UTC" if since else ""
    return f"routed to {part['warehouse']} ({part['connection']}/{part['code']}), not sent: {cause}{begun}"


def _cause(part: Mapping[str, Any]) -> tuple[str, datetime | None]:
    """The first cause that applies, and since when: what staff switched off comes first, the queue last."""
    parked_since = _time(part["parked_since"])
    if not part["connected"]:
        return f"the connection {part['connection']} is switched off", parked_since
    if not part["active"]:
        return "this warehouse is switched off", parked_since
    if part["paused"]:
        return "this warehouse is paused", parked_since
    if part["parked"]:
        return str(part["parked"]), parked_since
    if part["lane_paused"]:
        return f"the lane of {part['connection']} is paused", None
    if part["circuit"] not in (None, Circuit.CLOSED):
        return f"WMS {part['connection']} does not answer", _time(part["down_since"])
    return "asked, no answer yet" if part["asked"] else "its turn has not come", _time(part["since"])


def _time(value: str | None) -> datetime | None:
    return parse_datetime(value) if value else None
