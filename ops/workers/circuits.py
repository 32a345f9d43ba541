"""The circuit of a lane: answers of its endpoint close it, and failures open it. An alert says that it is open."""

from __future__ import annotations

import structlog

from ops.alerting import own_alerts
from ops.errors import EndpointFailed
from ops.queue import lanes
from ops.refs import lane_subject

logger = structlog.get_logger(__name__)


def endpoint_answered(lane: str) -> None:
    """The endpoint of this lane gave a proper answer. At full speed the alert is closed."""
    if lanes.record_answer(lane):
        logger.info("circuit_closed", lane=lane)
        own_alerts.CIRCUIT_OPEN.close(lane_subject(lane))


def endpoint_failed(lane: str, error: EndpointFailed) -> bool:
    """The endpoint of this lane failed once more. Returns whether the endpoint is at fault, and not the job."""
    endpoint_at_fault, just_opened = lanes.record_failure(lane)
    if just_opened:
        own_alerts.circuit_open(lane, error=str(error))
    return endpoint_at_fault
