"""The moves of a WMS order, turned round: from each state to those that may follow."""

from __future__ import annotations

from fulfillment.wms_order_states import MOVES, Event
from wms.vocabulary.statuses import WmsStatus


def _by_pair() -> dict[WmsStatus, dict[WmsStatus, tuple[Event, ...]]]:
    table: dict[WmsStatus, dict[WmsStatus, tuple[Event, ...]]] = {status: {} for status in WmsStatus}
    for event, moves in MOVES.items():
        for to, sources in moves.items():
            for source in sources:
                table[source][to] = (*table[source].get(to, ()), event)
    return table


TRANSITIONS = _by_pair()
"""With the events that lead there. No code makes an order `UNKNOWN`."""
