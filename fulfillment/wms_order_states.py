"""The states of a WMS order: one table of all transitions, and named sets of states for queries.

Only `advance` writes `wms_status`. The pictures in docs/architecture.md are drawn from the table.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from django.db.models import Q, QuerySet, TextChoices
from django.db.models.expressions import Combinable, RawSQL
from django.db.models.functions import Now

from fulfillment.models import Order, WmsOrder
from fulfillment.models.states import NotInTheTable
from fulfillment.refs import WmsOrderPk
from ops.joined_rows import JoinedRows
from shops.models import Shop
from wms.ids import ConnectionPk, RemoteOrderId
from wms.models import Connection, Warehouse
from wms.vocabulary.statuses import AT_THE_WMS as AT_THE_WMS
from wms.vocabulary.statuses import WmsStatus

FIRST_LOOK_UP = timedelta(minutes=15)
"""If a WMS has reported nothing about an order for this long, we ask it."""

ENDED = (WmsStatus.CANCELLED, WmsStatus.REJECTED)
"""No warehouse works for it, and its units count as not given. (A refused one may be sent again as it is.)"""

OVER = (*ENDED, WmsStatus.SHIPPED)
"""No warehouse works on it any more."""

NEVER_SENT_AGAIN = (WmsStatus.CANCELLED, WmsStatus.SHIPPED)
"""It is over for good, and is never sent again."""

UNCONFIRMED = (WmsStatus.PENDING, WmsStatus.SUBMITTING)
"""It is routed, and no WMS has confirmed it yet. These words are ours: no WMS uses them."""

NOT_AT_THE_WMS = (WmsStatus.PENDING, WmsStatus.REJECTED)
"""The WMS certainly does not have it, and no call is under way. It can be changed or ended without a call."""

MAY_BE_SENT = (*UNCONFIRMED, WmsStatus.REJECTED)
"""A call may still place it."""

MAY_BE_CANCELLED = (WmsStatus.ACCEPTED, WmsStatus.PICKING, WmsStatus.UNKNOWN)
"""The WMS has it, may still cancel it, and is not yet deciding about that."""

STEPS = (WmsStatus.ACCEPTED, WmsStatus.PICKING, WmsStatus.PACKED, WmsStatus.MANIFESTED)
"""The steps of the work in a warehouse, in their order."""

BY_SHIPMENTS = (WmsStatus.PARTIALLY_SHIPPED, WmsStatus.SHIPPED)
"""Only reported shipments lead to these states. The status that a WMS reports is not enough."""

NOT_ENDED = ~Q(wms_status__in=[str(status) for status in ENDED])

_LOCKED = JoinedRows(part=WmsOrder, place=Warehouse, account=Connection, its=Order, shop=Shop)

_LOCK = f"""
SELECT {_LOCKED.columns} FROM wms_order_map AS part
  JOIN warehouse_locations AS place ON place.id = part.warehouse_id
  JOIN wms_connection AS account ON account.id = place.connection_id
  JOIN fulfillment_order AS its ON its.id = part.order_id
  JOIN shops_shop AS shop ON shop.id = its.shop_id
"""  # noqa: S608

_LOCK_ONE = f"{_LOCK} WHERE part.id = %s FOR UPDATE OF its, part"

_LOCK_NAMED = f"""{_LOCK} WHERE place.connection_id = %s AND part.wms_order_id = %s
 ORDER BY part.id DESC LIMIT 1 FOR UPDATE OF its, part"""

_NAMED = """
SELECT named.id FROM (
    SELECT part.id, its.state FROM wms_order_map AS part
      JOIN warehouse_locations AS place ON place.id = part.warehouse_id
      JOIN fulfillment_order AS its ON its.id = part.order_id
     WHERE place.connection_id = %s AND part.wms_order_id = %s
     ORDER BY part.id DESC LIMIT 1 FOR UPDATE OF its) AS named
 WHERE named.state = ANY(%s)
"""


class CancellationPhase(TextChoices):
    """What a request to cancel can achieve."""

    CANCELLABLE = "cancellable", "Cancellable"
    IN_PROGRESS = "in_progress", "In progress"  # the WMS decides: it confirms or declines
    UNCANCELLABLE = "uncancellable", "Uncancellable"  # the goods leave, and can only be returned
    CANCELLED = "cancelled", "Cancelled"


_PHASES = {
    WmsStatus.PENDING: CancellationPhase.CANCELLABLE,
    WmsStatus.SUBMITTING: CancellationPhase.CANCELLABLE,
    WmsStatus.ACCEPTED: CancellationPhase.CANCELLABLE,
    WmsStatus.PICKING: CancellationPhase.IN_PROGRESS,
    WmsStatus.PACKED: CancellationPhase.UNCANCELLABLE,
    WmsStatus.MANIFESTED: CancellationPhase.UNCANCELLABLE,
    WmsStatus.SHIPPED: CancellationPhase.UNCANCELLABLE,
    WmsStatus.PARTIALLY_SHIPPED: CancellationPhase.UNCANCELLABLE,
    WmsStatus.CANCEL_REQUESTED: CancellationPhase.IN_PROGRESS,
    WmsStatus.CANCELLED: CancellationPhase.CANCELLED,
    WmsStatus.REJECTED: CancellationPhase.CANCELLED,
    WmsStatus.UNKNOWN: CancellationPhase.IN_PROGRESS,
}


def phase(status: WmsStatus) -> CancellationPhase:
    """The cancellation phase of a WMS order in this state."""
    return _PHASES[status]


def status_before_shipment(status: WmsStatus) -> WmsStatus:
    """The state to record when a WMS reports `status`. Only reported shipments, with their units, make an order
    shipped."""
    return WmsStatus.MANIFESTED if status in BY_SHIPMENTS else status


class Event(Enum):
    """What moves a WMS order from one state to another, in the words of the pictures."""

    SENT = "an attempt to place it begins"
    NOT_SENT = "the attempt ended before anything was sent"
    REFUSED = "the WMS refuses it"
    FOUND = "the WMS confirms that it has it"
    ENDED_UNSENT = "it is not wanted any more, and the WMS does not have it"
    PROGRESSED = "the WMS works on it"
    ASKED_TO_CANCEL = "the WMS is asked to cancel it, and decides later"
    NOT_CANCELLED = "the WMS does not cancel it"
    TOO_LATE = "it is too late to cancel it"
    ENDED_BY_WMS = "the WMS ends it"
    SHIPMENT = "a shipment is reported"
    FINISHED = "no more of it will be shipped"


_STARTED = tuple(WmsStatus(status) for status in AT_THE_WMS)
_ASKED = (*MAY_BE_CANCELLED, WmsStatus.CANCEL_REQUESTED)

# What an event makes of a WMS order, each with the states from which it does so.
MOVES: Mapping[Event, Mapping[WmsStatus, tuple[WmsStatus, ...]]] = {
    # A replay sends a refused order again. An order that a person found to be absent is sent again from SUBMITTING.
    Event.SENT: {WmsStatus.SUBMITTING: MAY_BE_SENT},
    Event.NOT_SENT: {WmsStatus.PENDING: (WmsStatus.SUBMITTING,)},
    Event.REFUSED: {WmsStatus.REJECTED: (WmsStatus.SUBMITTING,)},
    # We learn it by the answer, a look-up or a person. By then the WMS may be at a later step, or have ended it.
    Event.FOUND: dict.fromkeys((*STEPS, WmsStatus.CANCEL_REQUESTED, *ENDED), (WmsStatus.SUBMITTING,)),
    Event.ENDED_UNSENT: {WmsStatus.CANCELLED: MAY_BE_SENT},
    # Only forward, in whatever order the news arrives. Steps may be left out.
    Event.PROGRESSED: {step: (*STEPS[:number], WmsStatus.UNKNOWN) for number, step in enumerate(STEPS)},
    Event.ASKED_TO_CANCEL: {WmsStatus.CANCEL_REQUESTED: _ASKED},
    Event.NOT_CANCELLED: dict.fromkeys(STEPS[1:], (WmsStatus.CANCEL_REQUESTED,)),
    # This answer is final, also if a callback reported the order as ended before.
    Event.TOO_LATE: dict.fromkeys(
        (WmsStatus.PACKED, WmsStatus.MANIFESTED),
        (*STEPS, WmsStatus.CANCEL_REQUESTED, WmsStatus.UNKNOWN, *ENDED),
    ),
    Event.ENDED_BY_WMS: dict.fromkeys(ENDED, _STARTED),
    # Goods left, even if the order was reported as ended. (If the WMS ended it by itself, a partial shipment does not
    # make it live again: see `status_updates.record_shipped`.)
    Event.SHIPMENT: dict.fromkeys(BY_SHIPMENTS, (*_STARTED, *ENDED)),
    Event.FINISHED: {WmsStatus.SHIPPED: (WmsStatus.PARTIALLY_SHIPPED, *ENDED)},
}


def lock_with_order(wms_order_pk: WmsOrderPk) -> WmsOrder:
    """Lock a WMS order after its order, and read both as they are then.

    It does what `order_states.lock_of` and a second look at the WMS order do, with one statement.
    """
    row = _locked(_LOCK_ONE, [wms_order_pk])
    if row is None:
        raise WmsOrder.DoesNotExist
    return row


def lock_named_by_wms(connection_pk: ConnectionPk, remote_id: RemoteOrderId) -> WmsOrder | None:
    """As `lock_with_order`, the WMS order that a WMS names; None if we know none."""
    return _locked(_LOCK_NAMED, [connection_pk, remote_id])


def _locked(statement: str, values: Sequence[Any]) -> WmsOrder | None:
    found = _LOCKED.first(statement, values)
    if found is None:
        return None
    row: WmsOrder
    row, row.warehouse, row.warehouse.connection, row.order, row.order.shop = found
    return row


def named_by_wms(
    connection_pk: ConnectionPk, remote_id: RemoteOrderId, *, order_states: Collection[str]
) -> QuerySet[WmsOrder]:
    """The WMS order that a WMS names, for one statement that changes it and first locks its order; none if the order
    is in another state than these.

    It may miss one that was changed while it waited for the lock, as a statement finds rows by what was stored when it
    began. What it finds is as it is now.
    """
    named = RawSQL(_NAMED, [connection_pk, remote_id, [str(state) for state in order_states]])  # noqa: S611
    return WmsOrder.objects.filter(id=named)


def moves(row: WmsOrder, event: Event, *, to: WmsStatus) -> bool:
    """Whether `event` would move a WMS order, which is locked, to a state."""
    return row.wms_status in MOVES[event].get(to, ())


def advance(
    rows: QuerySet[WmsOrder],
    event: Event,
    *,
    to: WmsStatus,
    at: datetime | Combinable | None = None,
    **fields: object,
) -> int:
    """Move those of the WMS orders to a state that `event` may move there; returns how many. The others stay as they
    are.

    `at`: since when they are in the state; now if None. `fields` are written in the same statement. Raises
    NotInTheTable before any statement is run.

    The next look-up is put off, because the WMS has just reported something. In states in which the WMS does not have
    the order, or is done with it, the time of the look-up has no meaning and is left alone.
    """
    sources = MOVES[event].get(to)
    if sources is None:
        raise NotInTheTable(f"{event.name} does not make a WMS order {to}")
    if to in AT_THE_WMS:
        fields["look_up_at"] = Now() + FIRST_LOOK_UP
    movable = rows.filter(wms_status__in=[str(source) for source in sources])
    return movable.update(wms_status=to, status_at=Now() if at is None else at, **fields)
