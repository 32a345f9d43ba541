"""The circuit of a lane: closed by the answers of its endpoint, opened by its failures, and told to staff."""

from __future__ import annotations

import structlog

from ops.alerting import own_alerts
from ops.errors import EndpointFailed
from ops.queue import lanes
from ops.refs import lane_subject

logger = structlog.get_logger(__name__)


def answered(lane: str) -> None:
    """The endpoint of this lane gave a proper answer: its circuit closes, and the alert with it."""
    if lanes.answered(lane):
        logger.info("circuit_closed", lane=lane)
        own_alerts.CIRCUIT_OPEN.close(lane_subject(lane))


def failed(lane: str, error: EndpointFailed) -> bool:
    """The endpoint of this lane failed once more. Returns whether that is its own trouble, and not the job's."""
    endpoint_at_fault, just_opened = lanes.failed(lane)
    if just_opened:
        own_alerts.circuit_open(lane, error=str(error))
    return endpoint_at_fault
