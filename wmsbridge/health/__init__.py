"""The six metrics of the specification. Each has a module of its own and is read with one statement over indexes.

Some metrics have a present (what waits now) and a past (how long it took lately). Their threshold is about the present,
so that they are normal again as soon as the work goes on. The past, the p99 of the last hour, is shown beside it.
"""

from __future__ import annotations

from django.conf import settings

from wmsbridge.health.dead_letters import DEAD_LETTER_DEPTH
from wmsbridge.health.mappings import UNMAPPED_SKU_RATE
from wmsbridge.health.measuring import AlertText, Measurement, Metric, Reading
from wmsbridge.health.shipments import FULFILMENT_CALLBACK_TIME
from wmsbridge.health.stock import STOCK_SYNC_LAG
from wmsbridge.health.submission import ORDER_SUBMISSION_LAG
from wmsbridge.health.wms_errors import WMS_API_ERRORS

__all__ = ["METRICS", "AlertText", "Measurement", "measure"]

METRICS = [
    ORDER_SUBMISSION_LAG,
    UNMAPPED_SKU_RATE,
    WMS_API_ERRORS,
    STOCK_SYNC_LAG,
    FULFILMENT_CALLBACK_TIME,
    DEAD_LETTER_DEPTH,
]


def measure() -> list[Measurement]:
    """Measure all six, in order. This takes seven statements: one for each, and one for how often stock is read."""
    return [_measured(each, each.read()) for each in METRICS]


def _measured(metric: Metric, reading: Reading) -> Measurement:
    setting: float = settings.HEALTH_THRESHOLDS[metric.name]
    return Measurement(metric, reading, setting if reading.threshold is None else reading.threshold)
