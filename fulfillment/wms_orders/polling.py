"""Asks a WMS about orders of which it has reported nothing for a while, to make up for callbacks that never came.

Only a WMS with the capability `find_order` can be asked. Its answers are applied like callbacks. Each connection has
one job at low priority that asks about one order after the other. So it never takes more than one slot of the lane.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from fulfillment import alerts, jobs
from fulfillment.models import WmsOrder
from fulfillment.reductions import wms_order_surplus
from fulfillment.wms_order_states import AT_THE_WMS, FIRST_LOOK_UP, CancellationPhase, phase
from fulfillment.wms_orders import status_updates
from ops.alerting.kinds import close_kinds
from ops.errors import Permanent, Transient
from ops.models import Circuit, Lane
from wms.adapters import adapter_for, capabilities_of
from wms.adapters.base import Capability, OrderAnswer
from wms.ids import ConnectionPk
from wms.models import Connection
from wms.vocabulary.statuses import WmsStatus

logger = structlog.get_logger(__name__)

BATCH = 25
TIME_LIMIT_SECONDS = 20.0
"""A run begins no further call after this long, so that even the slowest call ends within the 50 s of a run."""

LONGEST_BLOCKING = timedelta(hours=1)
"""If the look-up of one order fails although its WMS answers others, it keeps the others waiting no longer than
this."""

LONGEST_INTERVAL = timedelta(days=1)
OLDEST_ASKED_ABOUT = timedelta(days=60)
"""An order that was accepted before this is left to people, because no news of it is to be expected."""


def request_all() -> int:
    """Request look-ups for every active connection with orders that are due; returns how many connections."""
    asked = 0
    for connection in Connection.objects.filter(is_active=True):
        if (
            _can_be_asked(connection)
            and not jobs.wms_orders.look_up_pending(connection)
            and due(connection).exists()
        ):
            jobs.wms_orders.look_up(connection)
            asked += 1
    return asked


def due(connection: Connection) -> QuerySet[WmsOrder]:
    """WMS orders of which the connection has reported nothing for a while, those first that are due the longest."""
    return (
        WmsOrder.objects.filter(
            warehouse__connection=connection,
            wms_status__in=AT_THE_WMS,
            look_up_at__lte=Now(),
            accepted_at__gt=Now() - OLDEST_ASKED_ABOUT,
        )
        .select_related("order__shop", "warehouse__connection")
        .order_by("look_up_at", "id")
    )


def look_up(connection_pk: ConnectionPk) -> int:
    """Ask the WMS about a batch of its orders, and request the next batch; returns how many were asked about.

    If the WMS refuses to answer about one order, the others are asked about all the same. Raises what the adapter
    raises, except Permanent.
    """
    connection = Connection.objects.get(id=connection_pk)
    if not (connection.is_active and _can_be_asked(connection)):
        return 0
    adapter, deadline = adapter_for(connection), time.monotonic() + TIME_LIMIT_SECONDS
    answered = 0
    refused: dict[WmsOrder, str] = {}
    for row in due(connection).annotate(clock=Now())[:BATCH]:
        if time.monotonic() > deadline:
            break
        try:
            apply_answer(row, adapter.find_order(row.external_id), asked_at=row.clock)
            answered += 1
        except Permanent as error:
            refused[row] = str(error)
        except Transient as error:
            if row.clock - row.look_up_at > LONGEST_BLOCKING and _only_this_order_fails(row):
                _report_refused(connection, {row: str(error)}, answered=1)
                _postpone(row, by=LONGEST_BLOCKING)
            raise
        _postpone(row, by=look_up_interval(row.clock - row.status_at))
    _report_refused(connection, refused, answered=answered)
    if due(connection).exists():
        jobs.wms_orders.look_up(connection)
    logger.info("wms_orders_looked_up", connection=connection.slug, answered=answered, refused=len(refused))
    return answered + len(refused)


def _can_be_asked(connection: Connection) -> bool:
    return Capability.FIND_ORDER in capabilities_of(connection)


def _only_this_order_fails(row: WmsOrder) -> bool:
    """Whether the failure seems to be about this order alone, and other orders wait behind it."""
    connection = row.warehouse.connection
    answers = Lane.objects.filter(name=connection.lane, circuit=Circuit.CLOSED).exists()
    return answers and due(connection).exclude(id=row.id).exists()


def _postpone(row: WmsOrder, *, by: timedelta) -> None:
    """Put the next look-up off, unless news came meanwhile, which did so already."""
    WmsOrder.objects.filter(id=row.id, look_up_at=row.look_up_at).update(look_up_at=Now() + by)


def look_up_interval(unchanged: timedelta) -> timedelta:
    """The time until the next look-up: a quarter of the time for which the state has not changed. Pure."""
    return min(max(unchanged / 4, FIRST_LOOK_UP), LONGEST_INTERVAL)


def apply_answer(row: WmsOrder, answer: OrderAnswer | None, *, asked_at: datetime) -> None:
    """Apply the answer of a WMS as of the time when it was asked. What the WMS reported since then is newer."""
    if answer is None or answer.remote_id != row.remote_id:
        _report_gone(row, answer)
        return
    close_kinds([alerts.wms_orders.WMS_ORDER_GONE, alerts.wms_orders.LOOK_UP_REFUSED], row.subject)
    if answer.status == row.wms_status or _leaves_cancellation_open(row, answer.status):
        return
    logger.info("wms_order_news", wms_order=row.id, was=row.wms_status, status=answer.status)
    status_updates.apply_status(row, answer.status, word=answer.raw_status, occurred_at=asked_at)


def _leaves_cancellation_open(row: WmsOrder, status: WmsStatus) -> bool:
    """Whether the answer says only that a WMS that was asked to cancel goes on as before.

    A callback with that status would decline. A look-up shows only that nobody has decided yet.
    """
    undecided = (CancellationPhase.CANCELLABLE, CancellationPhase.IN_PROGRESS)
    known = status != WmsStatus.UNKNOWN
    return row.wms_status == WmsStatus.CANCEL_REQUESTED and known and phase(status) in undecided


@transaction.atomic
def _report_refused(connection: Connection, refused: Mapping[WmsOrder, str], *, answered: int) -> None:
    """Raise one alert for each order that was refused, or one for all if the WMS answered about none."""
    if answered:
        alerts.wms_orders.LOOK_UP_REFUSED.close(connection.subject)
    if len(refused) > 1 and not answered:
        alerts.wms_orders.all_look_ups_refused(connection, reason=next(iter(refused.values())))
        return
    for row, reason in refused.items():
        alerts.wms_orders.look_up_refused(row, reason=reason)


@transaction.atomic
def _report_gone(row: WmsOrder, answer: OrderAnswer | None) -> None:
    """Alert a person about an order that the WMS does not know any more, or knows by another id."""
    if answer is None and (row.order.cancelled_at or wms_order_surplus.is_unwanted(row)):
        return  # it is not wanted any more, so nobody misses it
    alerts.wms_orders.wms_order_gone(row, found=answer.remote_id if answer else "")
