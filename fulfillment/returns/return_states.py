"""The states of a return: the one table by which it goes from one to the next. Nothing but `advance` writes them."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import QuerySet

from fulfillment.models import Return
from fulfillment.models.states import NotInTheTable, ReturnState

_CAME_BACK = "the warehouse reports the goods"

TRANSITIONS: Mapping[ReturnState, Mapping[ReturnState, str]] = {
    ReturnState.REQUESTING: {
        ReturnState.OPEN: "the WMS takes the announcement",
        ReturnState.UNKNOWN: "the answer was lost, and the WMS may not be told twice",
        ReturnState.FAILED: "the WMS does not take the announcement",
        ReturnState.RECEIVED: _CAME_BACK,
    },
    ReturnState.UNKNOWN: {
        ReturnState.OPEN: "a person found it at the WMS",
        ReturnState.REQUESTING: "a person made sure that the WMS does not expect it",
        ReturnState.RECEIVED: _CAME_BACK,
    },
    ReturnState.OPEN: {ReturnState.RECEIVED: _CAME_BACK},
    # Goods come back whether they are expected or not.
    ReturnState.FAILED: {ReturnState.RECEIVED: _CAME_BACK},
    ReturnState.RECEIVED: {},
}
"""From each state to those that may follow, each with what leads there."""


def advance(
    rows: QuerySet[Return], *, to: ReturnState, before: ReturnState | None = None, **fields: object
) -> int:
    """Put these returns into a state, as far as they may go there from where they stand; returns how many.

    `before`: only those in this state. `fields` are written along. Raises NotInTheTable before any statement.
    """
    sources = [str(state) for state, after in TRANSITIONS.items() if to in after and before in (None, state)]
    if not sources:
        raise NotInTheTable(f"no return goes from {before or 'anywhere'} to {to}")
    return rows.filter(state__in=sources).update(state=to, **fields)
