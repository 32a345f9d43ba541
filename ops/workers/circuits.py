"""The circuit of a lane: closed by the answers of its endpoint, opened by its failures, and told to staff."""

from __future__ import annotations

import structlog

from ops.alerting.alerts import close_alert, raise_alert
from ops.errors import EndpointFailed
from ops.models import Severity
from ops.queue import lanes

logger = structlog.get_logger(__name__)


def answered(lane: str) -> None:
    """The endpoint of this lane gave a proper answer: its circuit closes, and the alert with it."""
    if lanes.answered(lane):
        logger.info("circuit_closed", lane=lane)
        close_alert("circuit_open", subject=lane)


def failed(lane: str, error: EndpointFailed) -> bool:
    """The endpoint of this lane failed once more. Returns whether that is its own trouble, and not the job's."""
    endpoint_at_fault, just_opened = lanes.failed(lane)
    if just_opened:
        raise_alert(
            "circuit_open",
            subject=lane,
            severity=Severity.CRITICAL,
            cause=lane,
            title=f"{lane} does not answer",
            meaning=f"Its work waits and nothing is lost; one probe at a time goes out. Last error: {error}",
            action="Nothing, if it comes back: the work goes on by itself. Else ask whoever runs that system.",
        )
    return endpoint_at_fault
