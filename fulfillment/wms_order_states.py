"""The states of a WMS order: the one table by which it goes from one to the next, and the sets that we ask for.

Nothing but `advance` writes `wms_status`. The pictures in docs/architecture.md are drawn from the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum

from django.db.models import Q, QuerySet, TextChoices
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from fulfillment.models import WmsOrder
from fulfillment.models.states import NotInTheTable
from wms.vocabulary.statuses import AT_THE_WMS as AT_THE_WMS
from wms.vocabulary.statuses import WmsStatus

FIRST_LOOK_UP = timedelta(minutes=15)
"""The WMS is asked about an order of which it has told nothing for this long."""

ENDED = (WmsStatus.CANCELLED, WmsStatus.REJECTED)
"""They stand for no work at a warehouse (a refused one may be sent again as itself)."""

OVER = (*ENDED, WmsStatus.SHIPPED)
"""No warehouse works on it any more."""

NEVER_SENT_AGAIN = (WmsStatus.CANCELLED, WmsStatus.SHIPPED)
"""It is over for good: nobody sends it as itself once more."""

UNCONFIRMED = (WmsStatus.PENDING, WmsStatus.SUBMITTING)
"""It is routed, and no WMS has said yet that it has it. These are our words: no WMS calls an order so."""

NOT_AT_THE_WMS = (WmsStatus.PENDING, WmsStatus.REJECTED)
"""The WMS does not have it for certain, and no call is under way: it can be changed or ended here alone."""

MAY_BE_SENT = (*UNCONFIRMED, WmsStatus.REJECTED)
"""A call may still place it."""

MAY_BE_STOPPED = (WmsStatus.ACCEPTED, WmsStatus.PICKING, WmsStatus.UNKNOWN)
"""The WMS has it, may still cancel it, and has not said that it is deciding on that."""

STEPS = (WmsStatus.ACCEPTED, WmsStatus.PICKING, WmsStatus.PACKED, WmsStatus.MANIFESTED)
"""The steps of the work in a warehouse, in their order."""

BY_PARCELS = (WmsStatus.PARTIALLY_SHIPPED, WmsStatus.SHIPPED)
"""Only reported parcels make an order so; a WMS's word alone does not."""

NOT_ENDED = ~Q(wms_status__in=[str(status) for status in ENDED])


class CancellationPhase(TextChoices):
    """What a wish to cancel meets."""

    CANCELLABLE = "cancellable", "Cancellable"
    IN_PROGRESS = "in_progress", "In progress"  # only the WMS can say; it confirms or declines
    UNCANCELLABLE = "uncancellable", "Uncancellable"  # the goods leave; a return is the way back
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
    """What a cancellation meets while the WMS order is in this state."""
    return _PHASES[status]


def before_parcels(said: WmsStatus) -> WmsStatus:
    """What is recorded when a WMS calls an order `said`: only its shipments, with what they hold, make it shipped."""
    return WmsStatus.MANIFESTED if said in BY_PARCELS else said


class Event(Enum):
    """What makes a WMS order go from one state to another, in the words of the pictures."""

    SENT = "an attempt to place it begins"
    TAKEN_BACK = "nothing was sent after all"
    REFUSED = "the WMS refuses it"
    FOUND = "the WMS says that it got it"
    GIVEN_UP = "nobody wants it, and the WMS does not have it"
    MOVED_ON = "the WMS works on it"
    ASKED_TO_CANCEL = "the WMS is asked to cancel it, and decides later"
    WENT_ON = "the WMS does not cancel it"
    TOO_LATE = "it is too late to cancel it"
    ENDED_BY_WMS = "the WMS ends it"
    PARCEL = "a parcel is reported"
    NO_MORE_TO_COME = "nothing more of it is to come"


_STARTED = tuple(WmsStatus(status) for status in AT_THE_WMS)
_ASKED = (*MAY_BE_STOPPED, WmsStatus.CANCEL_REQUESTED)

# What an event makes of a WMS order, each with the states from which it does so.
MOVES: Mapping[Event, Mapping[WmsStatus, tuple[WmsStatus, ...]]] = {
    # A refused one is sent again by a replay; one whose outcome a person settled is sent again from where it stands.
    Event.SENT: {WmsStatus.SUBMITTING: MAY_BE_SENT},
    Event.TAKEN_BACK: {WmsStatus.PENDING: (WmsStatus.SUBMITTING,)},
    Event.REFUSED: {WmsStatus.REJECTED: (WmsStatus.SUBMITTING,)},
    # By its answer, by a look-up or by a person; the WMS may be further by then, or have ended it.
    Event.FOUND: dict.fromkeys((*STEPS, WmsStatus.CANCEL_REQUESTED, *ENDED), (WmsStatus.SUBMITTING,)),
    Event.GIVEN_UP: {WmsStatus.CANCELLED: MAY_BE_SENT},
    # Forward only, whichever news arrives first; steps may be left out.
    Event.MOVED_ON: {step: (*STEPS[:number], WmsStatus.UNKNOWN) for number, step in enumerate(STEPS)},
    Event.ASKED_TO_CANCEL: {WmsStatus.CANCEL_REQUESTED: _ASKED},
    Event.WENT_ON: dict.fromkeys(STEPS[1:], (WmsStatus.CANCEL_REQUESTED,)),
    # This answer is the last word, whatever came before it: also when a callback had called the order ended.
    Event.TOO_LATE: dict.fromkeys(
        (WmsStatus.PACKED, WmsStatus.MANIFESTED),
        (*STEPS, WmsStatus.CANCEL_REQUESTED, WmsStatus.UNKNOWN, *ENDED),
    ),
    Event.ENDED_BY_WMS: dict.fromkeys(ENDED, _STARTED),
    # Goods left, also of what was called ended. A part of what the WMS ended by itself does not make it live again.
    Event.PARCEL: dict.fromkeys(BY_PARCELS, (*_STARTED, *ENDED)),
    Event.NO_MORE_TO_COME: {WmsStatus.SHIPPED: (WmsStatus.PARTIALLY_SHIPPED, *ENDED)},
}


def advance(
    rows: QuerySet[WmsOrder],
    event: Event,
    *,
    to: WmsStatus,
    at: datetime | Combinable | None = None,
    **fields: object,
) -> int:
    """Put those of the WMS orders that `event` leads to a state into it; returns how many. Others stay as they are.

    `at`: since when they are in it (now). `fields` are written along. Raises NotInTheTable before any statement.
    A WMS need not be asked soon about what it has just told. Where there is nothing to ask about (it does not have the
    order, or is done with it), the time of the next look-up means nothing and is left alone.
    """
    sources = MOVES[event].get(to)
    if sources is None:
        raise NotInTheTable(f"{event.name} does not make a WMS order {to}")
    if to in AT_THE_WMS:
        fields["look_up_at"] = Now() + FIRST_LOOK_UP
    standing = rows.filter(wms_status__in=[str(source) for source in sources])
    return standing.update(wms_status=to, status_at=Now() if at is None else at, **fields)
