"""The specification's six metrics: six functions in a list, each one statement over indexes.

Where a metric has a present and a past (what waits now, how long it took lately), the threshold is on the
present: it is normal again as soon as the work moves. The past, p99 of the last hour, is shown beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from django.conf import settings
from django.db import connection

FEW_ERRORS = 5
"""Fewer failed WMS calls than this in the last hour are no share of anything: shown, but no alert."""


@dataclass(frozen=True)
class Reading:
    """One value in the metric's unit, and further figures by name. Not meaningful = on too little data."""

    value: float
    detail: str = ""
    parts: dict[str, float] = field(default_factory=dict)
    meaningful: bool = True


@dataclass(frozen=True)
class Metric:
    """How to measure one thing, and what a person does about it."""

    name: str
    label: str
    unit: str
    part: str
    advice: str
    read: Callable[[], Reading]


@dataclass(frozen=True)
class Measurement:
    """A metric as it stands now, against its threshold."""

    metric: Metric
    reading: Reading
    threshold: float

    @property
    def crossed(self) -> bool:
        """Whether a person must look: the threshold itself counts as crossed."""
        return self.reading.meaningful and self.reading.value >= self.threshold


def measure() -> list[Measurement]:
    """All six, in order; six statements."""
    return [Measurement(each, each.read(), settings.HEALTH_THRESHOLDS[each.name]) for each in METRICS]


def _rows(statement: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def _numbers(statement: str) -> list[float]:
    """The one row of a statement, with 0 for what there is not."""
    return [float(str(value)) if value is not None else 0.0 for value in _rows(statement)[0]]


# Orders that a person must see to are not late, they are held, and have alerts of their own.
_SUBMISSION = """
SELECT GREATEST(0, extract(epoch FROM now() - LEAST(
         (SELECT min(ready_at) FROM fulfillment_order WHERE state = 'ready'),
         (SELECT min(o.ready_at) FROM wms_order_map w JOIN fulfillment_order o ON o.id = w.order_id
           WHERE w.wms_status IN ('pending', 'submitting')
             AND o.state NOT IN ('held', 'waiting', 'cancelled'))))),
       (SELECT percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM w.accepted_at - o.ready_at))
          FROM wms_order_map w JOIN fulfillment_order o ON o.id = w.order_id
         WHERE w.accepted_at > now() - interval '1 hour' AND o.ready_at IS NOT NULL)
"""


def order_submission_lag() -> Reading:
    """Seconds since the oldest order was ready that no WMS has accepted yet; p99 of ready to accepted."""
    oldest, p99 = _numbers(_SUBMISSION)
    return Reading(oldest, f"p99 of the last hour: {p99:.1f} s", {"p99": p99})


_UNMAPPED = """
SELECT count(*) FILTER (WHERE state = 'held' AND reason = 'unmapped_sku'), count(*)
  FROM fulfillment_order WHERE received_at > now() - interval '24 hours'
"""


def unmapped_sku_rate() -> Reading:
    """Percent of the orders received in the last 24 hours that an unmapped SKU holds."""
    held, received = _numbers(_UNMAPPED)
    share = 100 * held / received if received else 0.0
    return Reading(share, f"{held:.0f} of {received:.0f} orders", {"orders": held})


# Runs in the lanes of calls to WMSs; their inboxes ("wms:<slug>/in") are our own work.
_WMS_ERRORS = """
SELECT a.error_class, count(*) FROM ops_jobattempt a JOIN ops_job j ON j.id = a.job_id
 WHERE a.ended_at > now() - interval '1 hour' AND a.outcome <> 'blocked'
   AND j.lane_id LIKE 'wms:%' AND j.lane_id NOT LIKE '%/in'
 GROUP BY 1
UNION ALL
SELECT NULL, count(*) FROM ops_job
 WHERE state = 'done' AND finished_at > now() - interval '1 hour'
   AND lane_id LIKE 'wms:%' AND lane_id NOT LIKE '%/in'
ORDER BY 2 DESC
"""


def wms_api_errors() -> Reading:
    """Percent of the last hour's runs against WMSs that failed; how many of each error type."""
    counts = {name: float(str(count)) for name, count in _rows(_WMS_ERRORS)}
    done = counts.pop(None, 0.0)
    failed = sum(counts.values())
    share = 100 * failed / (failed + done) if failed else 0.0
    parts = {str(name): count for name, count in counts.items()}
    detail = ", ".join(f"{count:.0f} × {name}" for name, count in list(parts.items())[:4])
    return Reading(share, detail or f"none in {done:.0f} calls", parts, meaningful=failed >= FEW_ERRORS)


_STOCK = """
SELECT extract(epoch FROM now() - min(push_due_since)), count(*)
  FROM inventory_cache WHERE push_due_since IS NOT NULL
"""


def stock_sync_lag() -> Reading:
    """Seconds since the stock level changed that Shopify has not been told of for longest."""
    oldest, due = _numbers(_STOCK)
    return Reading(oldest, f"{due:.0f} levels to be told", {"levels": due})


_FULFILMENT = """
SELECT extract(epoch FROM now() - (SELECT min(received_at) FROM fulfillment_shipment
                                    WHERE state IN ('received', 'fulfilling'))),
       (SELECT percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM fulfilled_at - received_at))
          FROM fulfillment_shipment WHERE fulfilled_at > now() - interval '1 hour')
"""


def fulfilment_callback_time() -> Reading:
    """Seconds since the oldest shipment was received that is no Shopify fulfilment yet; p99 of both."""
    oldest, p99 = _numbers(_FULFILMENT)
    return Reading(oldest, f"p99 of the last hour: {p99:.1f} s", {"p99": p99})


_DEAD = "SELECT count(*) FROM ops_job WHERE state = 'dead'"


def dead_letter_depth() -> Reading:
    """Jobs that wait for a person."""
    (depth,) = _numbers(_DEAD)
    return Reading(depth, "a person must see to each" if depth else "")


METRICS = [
    Metric(
        name="order_submission_lag",
        label="Order submission lag",
        unit="seconds",
        part="quantile",
        advice="Look at the lanes: is a circuit open, a lane paused, the submission worker running? Then at "
        "Orders in state «ready»: the order's page shows what its jobs wait for.",
        read=order_submission_lag,
    ),
    Metric(
        name="unmapped_sku_rate",
        label="Unmapped SKU rate",
        unit="percent",
        part="count",
        advice="Open the alerts of kind «unmapped_sku» and map each SKU (SKU mappings, or import_skus with a "
        "CSV): the held orders go on by themselves.",
        read=unmapped_sku_rate,
    ),
    Metric(
        name="wms_api_errors",
        label="WMS API errors",
        unit="percent",
        part="error_class",
        advice="Filter Jobs by the WMS's lane and read the errors. Transient ones are retried; if they "
        "go on, ask whoever runs that WMS. Permanent ones become dead letters: fix the cause, then replay.",
        read=wms_api_errors,
    ),
    Metric(
        name="stock_sync_lag",
        label="Stock sync lag",
        unit="seconds",
        part="count",
        advice="Look at the jobs «inventory.push» and the shop's lane: is the shop's access revoked, its "
        "budget used up, or the inventory worker down? Until then Shopify may sell what is not there.",
        read=stock_sync_lag,
    ),
    Metric(
        name="fulfilment_callback_time",
        label="Fulfilment callback time",
        unit="seconds",
        part="quantile",
        advice="Look at Shipments that are received or fulfilling and at the shop's lane: customers have not "
        "been told that their parcel left.",
        read=fulfilment_callback_time,
    ),
    Metric(
        name="dead_letter_depth",
        label="Dead letters",
        unit="jobs",
        part="count",
        advice="Open Dead letters, fix the cause each one names, then choose «Replay».",
        read=dead_letter_depth,
    ),
]
