"""Tables of jobs and their lanes, of alerts and of scheduled runs."""

from ops.models.alerts import Alert, Severity
from ops.models.jobs import Job, JobAttempt
from ops.models.lanes import Circuit, Lane, Priority
from ops.models.schedules import ScheduledRun

__all__ = ["Alert", "Circuit", "Job", "JobAttempt", "Lane", "Priority", "ScheduledRun", "Severity"]
