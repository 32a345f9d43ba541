"""The pages of jobs, lanes and alerts in the console. Nothing here calls another system; actions only enqueue jobs."""

from ops.admin.alerts import AlertAdmin
from ops.admin.console import ConsoleAdmin
from ops.admin.jobs import JobAdmin
from ops.admin.lanes import LaneAdmin
from ops.admin.rows import ReadOnlyAdmin, as_json

__all__ = ["AlertAdmin", "ConsoleAdmin", "JobAdmin", "LaneAdmin", "ReadOnlyAdmin", "as_json"]
