"""How many unfinished jobs each lane has, by one statement over the partial indexes of unfinished jobs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.db import connection

_COUNTS = """
SELECT lane_id, CASE WHEN run_at <= clock_timestamp() THEN 'due' ELSE 'later' END AS state, count(*)
  FROM ops_job WHERE state = 'ready' AND parked_on = '{}' GROUP BY 1, 2
UNION ALL
SELECT lane_id, 'parked', count(*)
  FROM ops_job WHERE state = 'ready' AND NOT parked_on = '{}' GROUP BY 1
UNION ALL
SELECT lane_id, 'running', count(*) FROM ops_job WHERE state = 'running' GROUP BY 1
UNION ALL
SELECT lane_id, 'dead', count(*) FROM ops_job WHERE state = 'dead' GROUP BY 1
"""


@dataclass(frozen=True)
class Depth:
    """The unfinished jobs of one lane."""

    due: int = 0
    later: int = 0
    parked: int = 0
    running: int = 0
    dead: int = 0


def by_lane() -> dict[str, Depth]:
    """The depth of every lane that has unfinished jobs. Other lanes are left out."""
    found: dict[str, Depth] = {}
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS)
        for lane, state, count in cursor.fetchall():
            found[lane] = replace(found.get(lane, Depth()), **{state: count})
    return found
