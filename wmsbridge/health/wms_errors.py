"""What WMSs answer instead of doing what they were asked."""

from __future__ import annotations

from wmsbridge.health.measuring import Metric, Part, Reading, rows

FEW_ERRORS = 5
"""Fewer failed WMS calls than this in the last hour are no share of anything: shown, but no alert."""

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
    counts = {name: float(str(count)) for name, count in rows(_WMS_ERRORS)}
    done = counts.pop(None, 0.0)
    failed = sum(counts.values())
    share = 100 * failed / (failed + done) if failed else 0.0
    parts: dict[Part, float] = {str(name): count for name, count in counts.items()}
    detail = ", ".join(f"{count:.0f} × {name}" for name, count in list(parts.items())[:4])
    return Reading(share, detail or f"none in {done:.0f} calls", parts, meaningful=failed >= FEW_ERRORS)


WMS_API_ERRORS = Metric(
    name="wms_api_errors",
    label="WMS API errors",
    unit="percent",
    labels=("error_class",),
    definition="Percent of the last hour's runs against WMSs that failed.",
    advice="Filter Jobs by the WMS's lane and read the errors. Transient ones are retried; if they "
    "go on, ask whoever runs that WMS. Permanent ones become dead letters: fix the cause, then replay.",
    read=wms_api_errors,
)
