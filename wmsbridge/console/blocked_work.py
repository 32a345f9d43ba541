"""Reads for the front page what is blocked and why: parked work by its cause, decisions, open circuits.

This takes two statements.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection

from fulfillment.alerts.wms_orders import OUTCOME_UNKNOWN
from ops.alerting.own_alerts import CIRCUIT_OPEN
from ops.models import Alert
from wmsbridge.console.navigation import list_url

MOST_ALERTS = 1000

_PARKED = """
SELECT split_part(j.parked_on[1], ':', 1), shut.words, count(*), min(j.parked_since)
  FROM ops_job j
  LEFT JOIN (SELECT 'warehouse:' || w.id AS key,
                    s.domain || ': ' || w.name || ' (' || c.slug || '/' || w.wms_warehouse_code || ') is '
                    || CASE WHEN w.paused THEN 'paused' ELSE 'switched off' END AS words
               FROM warehouse_locations w JOIN wms_connection c ON c.id = w.connection_id
                                          JOIN shops_shop s ON s.id = w.shop_id
              WHERE w.paused OR NOT w.is_active OR NOT c.is_active) AS shut ON shut.key = j.parked_on[1]
 WHERE j.state = 'ready' AND NOT j.parked_on = '{}' GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
"""

CAUSES = {
    "sku": "a SKU mapping",
    "stock": "stock",
    "warehouse": "a warehouse that can serve",
    "shop": "a shop's access",
    "connection": "a WMS's access",
    "decision": "a decision of staff",
    "order": "Shopify to let an order go",
    "wms_order": "a WMS order that is not known",
}
"""What work waits for, by the first word of its park key."""


@dataclass(frozen=True)
class Waiting:
    """Work that waits for one kind of cause, and the address of the list that shows it."""

    label: str
    count: int
    since: datetime | None
    url: str


@dataclass(frozen=True)
class BlockedWork:
    """All work that is blocked.

    `decisions` are orders of which nobody knows whether the WMS has them. `down` says since when the circuit of a lane
    is open.
    """

    parked: list[Waiting]
    decisions: Waiting | None
    down: dict[str, datetime] = field(default_factory=dict)


def blocked_work() -> BlockedWork:
    """Read what is blocked now."""
    decisions: list[datetime] = []
    down: dict[str, datetime] = {}
    kinds = [OUTCOME_UNKNOWN.name, CIRCUIT_OPEN.name]
    opened = Alert.objects.filter(kind__in=kinds, state=Alert.State.OPEN)
    for kind, subject, since in opened.values_list("kind", "subject", "first_at")[:MOST_ALERTS]:
        if kind == CIRCUIT_OPEN.name:
            down[subject] = since
        else:
            decisions.append(since)
    return BlockedWork(parked=_parked(), decisions=_decisions(decisions), down=down)


def _parked() -> list[Waiting]:
    """Parked work by cause, the largest group first. A paused or switched-off warehouse is named."""
    with connection.cursor() as cursor:
        cursor.execute(_PARKED)
        return [
            Waiting(
                f"wait: {shut}" if shut else f"wait for {CAUSES.get(cause, cause)}",
                count,
                since,
                list_url("ops.job", f"situation=parked&cause={cause}"),
            )
            for cause, shut, count, since in cursor.fetchall()
        ]


def _decisions(since: list[datetime]) -> Waiting | None:
    if not since:
        return None
    url = list_url("ops.alert", f"state__exact=open&q={OUTCOME_UNKNOWN.name}")
    return Waiting("to be decided: does the WMS have it?", len(since), min(since), url)
