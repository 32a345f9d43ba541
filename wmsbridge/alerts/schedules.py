"""The alerts about schedules."""

from __future__ import annotations

from collections.abc import Sequence

from ops.alerting.kinds import AlertKind, Closes
from ops.models import Severity
from ops.refs import Subject

SUBJECT = Subject("schedules")
_OF_ALL = "the schedules serve all shops"

SCHEDULE_LATE = AlertKind(
    "schedule_late", closes=Closes.ITSELF, severity=Severity.CRITICAL, of_no_shop=_OF_ALL
)
SCHEDULE_OFF = AlertKind("schedule_off", closes=Closes.ITSELF, of_no_shop=_OF_ALL)


def schedule_late(
    *, names: Sequence[str], facts: Sequence[str], queues: Sequence[str], are_all: bool
) -> None:
    """Some schedules did not run, or none did. `facts`: since when, and what does not happen without them."""
    SCHEDULE_LATE.open(
        SUBJECT,
        shop=None,
        title="No scheduled work runs" if are_all else f"Scheduled work did not run: {names[0]}",
        meaning=" ".join(facts),
        action="Start beat again (exactly one is enough). It does not run, or it does not reach Redis."
        if are_all
        else f"Look at the worker of queue {', '.join(queues)} and at its log. Either the run fails, or it waits "
        "behind other work. This alert closes with the next run that ends well.",
        cause=",".join(sorted(names)),
    )


def schedule_off(*, names: Sequence[str], facts: Sequence[str], named: int) -> None:
    """Staff switched schedules off. `facts`: what they are for; `named`: how many of them the title names."""
    SCHEDULE_OFF.open(
        SUBJECT,
        shop=None,
        title=f"Switched off: {', '.join(names[:named])}{' and more' if len(names) > named else ''}",
        meaning=" ".join(facts),
        action="Switch it on again under Schedules. Nothing that was missed is lost: the next run catches up.",
        cause=",".join(names),
    )
