"""The states of a return: one table of all transitions. Only `advance` writes the state."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import QuerySet

from fulfillment.models import Return
from fulfillment.models.states import NotInTheTable, ReturnState

_CAME_BACK = "the warehouse reports the goods"

TRANSITIONS: Mapping[ReturnState, Mapping[ReturnState, str]] = {
    ReturnState.REQUESTING: {
        ReturnState.OPEN: "the WMS takes the announcement",
        ReturnState.UNKNOWN: "the answer was lost, and a repeat is not safe",
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
"""From each state to those that may follow, with what leads there."""


def advance(
    rows: QuerySet[Return], *, to: ReturnState, before: ReturnState | None = None, **fields: object
) -> int:
    """Move these returns to a state, if the table allows it from their present state; returns how many.

    `before`: only returns in this state. `fields` are written in the same statement. Raises NotInTheTable before any
    statement is run.
    """
    sources = [str(state) for state, after in TRANSITIONS.items() if to in after and before in (None, state)]
    if not sources:
        raise NotInTheTable(f"no return goes from {before or 'anywhere'} to {to}")
    return rows.filter(state__in=sources).update(state=to, **fields)
