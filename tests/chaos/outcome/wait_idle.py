"""Waits until the product is idle. It reads the job table only to know when the books are complete."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import psycopg

from tests.chaos.people.staff import Staff
from tests.end_to_end.installation.stack import Stack

LOOK_EVERY = 1.0
SOON = "5 minutes"
"""A job that is due later than this was not delayed by a fault, since no back-off is longer."""

UNFINISHED = f"""
SELECT kind, count(*) FROM ops_job
WHERE state = 'running' OR (state = 'ready' AND parked_on = '{{}}' AND run_at < now() + interval '{SOON}'
                            AND NOT kind = ANY(%s))
GROUP BY kind ORDER BY kind
"""  # noqa: S608 — a constant
LATE_CHECKS = ["fulfillment.expect_shipment", "fulfillment.expect_cancellation"]
"""Kinds that check again after a time that has nothing to do with faults."""

LEFT = """
SELECT 'dead letter ' || kind, count(*) FROM ops_job WHERE state = 'dead' GROUP BY 1
UNION ALL SELECT 'parked ' || kind || ' on ' || split_part(parked_on[1], ':', 1), count(*) FROM ops_job
WHERE state = 'ready' AND parked_on <> '{}' GROUP BY 1
UNION ALL SELECT 'alert ' || kind, count(*) FROM ops_alert WHERE state = 'open' GROUP BY 1 ORDER BY 1
"""


@dataclass(frozen=True)
class IdleWatch:
    """Knows whether the product is idle. `url` is the database's."""

    stack: Stack
    staff: Staff
    url: str

    def wait_idle(self, *, seconds: float) -> dict[str, int]:
        """Waits until no delivery, no job and no person has work left, twice in a row.

        Returns what is unfinished when the seconds are over.
        """
        deadline, idle_checks = time.monotonic() + seconds, 0
        while idle_checks < 2 and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY)
            self.stack.programs.revive()
            idle_checks = 0 if self._unfinished() else idle_checks + 1
        return self._unfinished()

    def left_to_staff(self) -> list[str]:
        """Returns the dead letters, parked jobs and open alerts that are left to staff, counted by kind."""
        return [f"{count} × {what}" for what, count in self._rows(LEFT)]

    def _unfinished(self) -> dict[str, int]:
        webhooks, callbacks = self.stack.shopify.get("/counts"), self.stack.wms.get("/counts")
        found = dict(self._rows(UNFINISHED, [LATE_CHECKS]))
        found |= {"webhooks": webhooks["pending"], "callbacks": callbacks["pending"]}
        found |= {
            "orders in a warehouse": callbacks["moving"],
            "alerts that staff deal with": self.staff.busy,
        }
        return {what: count for what, count in found.items() if count}

    def _rows(self, query: str, values: Iterable[object] = ()) -> Iterator[tuple[str, int]]:
        with psycopg.connect(self.url) as connection:
            yield from connection.execute(query, list(values) or None).fetchall()
