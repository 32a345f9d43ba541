"""The specification's six metrics, each in a module of its own: one statement over indexes.

Where a metric has a present and a past (what waits now, how long it took lately), the threshold is on the
present: it is normal again as soon as the work moves. The past, p99 of the last hour, is shown beside it.
"""

from __future__ import annotations

from django.conf import settings

from wmsbridge.health.dead_letters import DEAD_LETTER_DEPTH
from wmsbridge.health.mappings import UNMAPPED_SKU_RATE
from wmsbridge.health.measuring import Measurement, Metric, Reading, Words
from wmsbridge.health.shipments import FULFILMENT_CALLBACK_TIME
from wmsbridge.health.stock import STOCK_SYNC_LAG
from wmsbridge.health.submission import ORDER_SUBMISSION_LAG
from wmsbridge.health.wms_errors import WMS_API_ERRORS

__all__ = ["METRICS", "Measurement", "Words", "measure"]

METRICS = [
    ORDER_SUBMISSION_LAG,
    UNMAPPED_SKU_RATE,
    WMS_API_ERRORS,
    STOCK_SYNC_LAG,
    FULFILMENT_CALLBACK_TIME,
    DEAD_LETTER_DEPTH,
]


def measure() -> list[Measurement]:
    """All six, in order; seven statements: one each, and how often stock is read."""
    return [_measured(each, each.read()) for each in METRICS]


def _measured(metric: Metric, reading: Reading) -> Measurement:
    setting: float = settings.HEALTH_THRESHOLDS[metric.name]
    return Measurement(metric, reading, setting if reading.threshold is None else reading.threshold)
