"""The pictures of the states of a WMS order in docs/states.md, drawn from the table in the code."""

from __future__ import annotations

from collections.abc import Iterable

from fulfillment.wms_order_states import AT_THE_WMS, Event
from tests.architecture.states.transitions import TRANSITIONS
from wms.vocabulary.statuses import WmsStatus

AT = "at_the_wms"
_INSIDE = [status for status in WmsStatus if status in AT_THE_WMS and status != WmsStatus.UNKNOWN]
"""Without the one that no code makes."""

Arrows = dict[tuple[str, str], list[Event]]


def outside() -> str:
    """The whole way: all states in which only the WMS can lead an order further are one box."""
    arrows: Arrows = {}
    for before, after, events in _pairs():
        ends = tuple(AT if status in AT_THE_WMS else str(status) for status in (before, after))
        if ends != (AT, AT):
            known = arrows.setdefault((ends[0], ends[1]), [])
            known += [event for event in events if event not in known]
    names = [f'state "{", ".join(_INSIDE)}" as {AT}', f"[*] --> {WmsStatus.PENDING}: it is routed"]
    return _picture([*names, *_drawn(arrows)])


def inside() -> str:
    """What happens within that box, without what leaves an order where it is."""
    arrows: Arrows = {}
    for before, after, events in _pairs():
        if before in _INSIDE and after in _INSIDE and before != after:
            steps = [event for event in events if not _skips(before, after, event)]
            if steps:
                arrows[before, after] = steps
    return _picture(_drawn(arrows))


def _pairs() -> Iterable[tuple[WmsStatus, WmsStatus, tuple[Event, ...]]]:
    return [(before, after, events) for before, to in TRANSITIONS.items() for after, events in to.items()]


def _skips(before: WmsStatus, after: WmsStatus, event: Event) -> bool:
    """Whether two arrows of the same event lead there, too, by a state between the two."""
    order = list(WmsStatus)
    between = order[order.index(before) + 1 : order.index(after)]
    return any(
        event in TRANSITIONS[before].get(middle, ()) and event in TRANSITIONS[middle].get(after, ())
        for middle in between
    )


def _drawn(arrows: Arrows) -> list[str]:
    return [
        f"{before} --> {after}: {', or '.join(event.value for event in events)}"
        for (before, after), events in arrows.items()
    ]


def _picture(lines: Iterable[str]) -> str:
    return "\n".join(["```mermaid", "stateDiagram-v2", *(f"    {line}" for line in lines), "```"])
