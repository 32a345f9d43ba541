"""Measures the errors of the WMSs, by WMS and type. Errors that pass are counted apart from those that persist."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings

from fulfillment.alerts.wms_orders import LOOK_UP_REFUSED
from ops.alerting.own_alerts import CIRCUIT_OPEN, SECRET_UNREADABLE
from wms.alerts import WMS_REFUSES_CREDENTIALS
from wms.refs import connections_cause
from wmsbridge.health.measuring import AlertText, Metric, Part, Reading, Unit, rows

FEW_ERRORS = 5
"""If fewer calls to one WMS failed in the last hour, the rate is shown, but raises no alert."""

RECENT_SECONDS = 15 * 60.0
"""A WMS that had no transient error for this long has recovered: FEW_ERRORS in an hour cannot all be further apart."""

LONGEST_QUOTE = 300
"""An alert quotes at most this many characters of an error."""

# Only runs in the lanes of calls to WMSs count. The work of the inbound lanes ("wms:<slug>/in") is our own, and so are
# bugs and lost workers. A dead job counts even if its runs were deleted. An open circuit counts only if it has an
# alert: without one the WMS asked for a pause. The alerts of a WMS that is switched off do not count, because it is not
# called any more, and nothing would close them.
_WMS_ERRORS = """
WITH failed AS (
    SELECT a.job_id, j.lane_id AS lane, j.state, a.outcome, a.error_class AS type, a.error, a.ended_at AS at
      FROM ops_jobattempt a JOIN ops_job j ON j.id = a.job_id
     WHERE a.ended_at > now() - interval '1 hour' AND a.outcome IN ('transient', 'unknown', 'permanent')
       AND j.lane_id LIKE 'wms:%%' AND j.lane_id NOT LIKE '%%/in'),
persisting AS (
    SELECT j.lane_id AS lane, j.error_class AS type, j.error, j.finished_at AS at
      FROM ops_job j
      LEFT JOIN LATERAL (SELECT outcome FROM ops_jobattempt
                          WHERE job_id = j.id ORDER BY id DESC LIMIT 1) AS last ON true
     WHERE j.state = 'dead' AND j.lane_id LIKE 'wms:%%' AND j.lane_id NOT LIKE '%%/in'
       AND COALESCE(last.outcome, 'permanent') IN ('transient', 'unknown', 'permanent')
    UNION ALL
    SELECT lane, type, error, at
      FROM (SELECT DISTINCT ON (job_id) * FROM failed
             WHERE outcome = 'permanent' AND state IN ('ready', 'running') ORDER BY job_id, at DESC) AS tried_again)
SELECT 'transient' AS what, lane, type, count(*), min(at), max(at), extract(epoch FROM now() - max(at))::float,
       (array_agg(error ORDER BY at DESC))[1]
  FROM failed WHERE outcome <> 'permanent' GROUP BY lane, type
UNION ALL
SELECT 'permanent', lane, type, count(*), min(at), max(at), 0, (array_agg(error ORDER BY at DESC))[1]
  FROM persisting GROUP BY lane, type
UNION ALL
SELECT 'permanent', lane.name, alert.kind, count(*), min(alert.first_at), max(alert.last_at), 0,
       (array_agg(alert.title || '. ' || alert.meaning ORDER BY alert.last_at DESC))[1]
  FROM ops_alert alert
  LEFT JOIN wms_order_map part ON part.external_id = alert.subject
  LEFT JOIN warehouse_locations place ON place.id = part.warehouse_id
  JOIN wms_connection account ON account.id = place.connection_id OR 'wms:' || account.slug = alert.subject
  JOIN ops_lane lane ON lane.name = 'wms:' || account.slug
 WHERE alert.state = 'open' AND alert.kind = ANY(%(kinds)s) AND account.is_active
   AND (alert.kind <> %(circuit)s OR lane.circuit <> 'closed')
 GROUP BY lane.name, alert.kind
UNION ALL
SELECT 'run', lane, '', count(*), NULL, NULL, 0, '' FROM failed GROUP BY lane
UNION ALL
SELECT 'run', lane_id, '', count(*), NULL, NULL, 0, ''
  FROM ops_job
 WHERE state = 'done' AND finished_at > now() - interval '1 hour' AND lane_id LIKE 'wms:%%' AND lane_id NOT LIKE '%%/in'
 GROUP BY lane_id
ORDER BY 1, 4 DESC, 2, 3
"""


@dataclass(frozen=True)
class AlertWords:
    """The words about an alert that counts as an error while it is open, and what to do about it."""

    summary: str
    to_do: str


OPEN_ALERTS = {
    CIRCUIT_OPEN.name: AlertWords(
        "does not answer",
        "If {wms} does not come back by itself, ask the people who run it. Its work then continues by itself.",
    ),
    WMS_REFUSES_CREDENTIALS.name: AlertWords(
        "refuses our credentials",
        "Correct the token of the connection {wms}. Its work then continues by itself.",
    ),
    SECRET_UNREADABLE.name: AlertWords(
        "has a token that cannot be read",
        "Put the old encryption key back, or enter the token of the connection {wms} again.",
    ),
    LOOK_UP_REFUSED.name: AlertWords(
        "refuses to be asked about orders",
        "Ask the people who run {wms} why it refuses to be asked about its orders.",
    ),
}

REPLAY = "Open Dead letters of lane wms:{wms}, remove the cause that each one names, then choose «Replay»."
ASK = "After errors that may pass, {wms} is called again by itself. If they go on, ask the people who run it."


@dataclass(frozen=True)
class Errors:
    """The errors of one type at one WMS. `age` is the number of seconds since the last."""

    type: str
    count: int
    since: datetime
    last: datetime
    age: float
    words: str

    @property
    def summary(self) -> str:
        """How many errors of which type."""
        return f"{self.count} × {self.type}"

    @property
    def persists(self) -> str:
        """The summary of errors that do not pass by themselves."""
        if self.type in OPEN_ALERTS:
            return OPEN_ALERTS[self.type].summary
        return f"{self.summary} persists" if self.count == 1 else f"{self.summary} persist"


@dataclass
class Account:
    """The errors of one WMS: those that persist, those of the last hour that pass, and all its runs of that hour."""

    wms: str
    permanent: list[Errors] = field(default_factory=list)
    transient: list[Errors] = field(default_factory=list)
    runs: int = 0

    @property
    def failed(self) -> int:
        """The number of runs of the last hour that failed and are tried again."""
        return sum(each.count for each in self.transient)

    @property
    def error_rate(self) -> float:
        """The percentage of failed runs in the last hour; 0 if the WMS has recovered."""
        recent = any(each.age < RECENT_SECONDS for each in self.transient)
        return 100 * self.failed / max(self.runs, self.failed) if recent else 0.0

    @property
    def meaningful(self) -> bool:
        """Whether there were enough errors for a rate."""
        return self.failed >= FEW_ERRORS


def wms_api_errors() -> Reading:
    """Read the metric: the percentage of failed runs in the last hour, at the WMS where it is greatest.

    It is urgent if errors persist at any WMS.
    """
    accounts = _accounts()
    worst = max(accounts, key=lambda each: (each.meaningful, each.error_rate), default=Account(""))
    limit: float = settings.HEALTH_THRESHOLDS["wms_api_errors"]
    failing = [each for each in accounts if each.permanent or (each.meaningful and each.error_rate > limit)]
    return Reading(
        worst.error_rate,
        _detail(accounts),
        _parts(accounts),
        meaningful=worst.meaningful,
        urgent=any(each.permanent for each in accounts),
        alert_text=_alert_text(failing, limit) if failing else None,
    )


def _accounts() -> list[Account]:
    """One account for each WMS that was called or has errors. Those with persisting errors come first."""
    found: defaultdict[str, Account] = defaultdict(lambda: Account(""))
    for what, lane, type_, count, since, last, age, words in rows(
        _WMS_ERRORS, {"kinds": list(OPEN_ALERTS), "circuit": CIRCUIT_OPEN.name}
    ):
        account = found[lane]
        account.wms = lane.removeprefix("wms:")
        if what == "run":
            account.runs += count
        else:
            errors = account.permanent if what == "permanent" else account.transient
            errors.append(Errors(type_, count, since, last, age, " ".join(words.split())[:LONGEST_QUOTE]))
    return sorted(found.values(), key=lambda each: (not each.permanent, -each.error_rate, each.wms))


def _parts(accounts: Iterable[Account]) -> dict[Part, float]:
    """The number of errors by WMS, kind and type, the persisting ones first."""
    return {
        (each.wms, kind, errors.type): float(errors.count)
        for kind in ("permanent", "transient")
        for each in accounts
        for errors in getattr(each, kind)
    }


def _detail(accounts: list[Account]) -> str:
    summary = [f"{each.wms}: {errors.persists}" for each in accounts for errors in each.permanent]
    summary += [f"{each.wms}: {errors.summary}" for each in accounts for errors in each.transient]
    return "; ".join(summary[:4]) or f"none in {sum(each.runs for each in accounts)} runs of the last hour"


def _alert_text(failing: list[Account], limit: float) -> AlertText:
    """The text of the alert about all WMSs that failed. Its cause changes when another set of WMSs fails."""
    meaning = [sentence for each in failing for sentence in _meaning(each, limit)]
    return AlertText(
        title="; ".join(_title(each) for each in failing),
        meaning=" ".join(meaning),
        action=" ".join(step for each in failing for step in _actions(each)),
        cause=connections_cause(each.wms for each in failing),
    )


def _title(account: Account) -> str:
    if account.permanent:
        return f"{account.wms}: {', '.join(errors.persists for errors in account.permanent)}"
    return f"{account.wms}: {account.error_rate:.0f} % of {account.runs} runs failed"


def _meaning(account: Account, limit: float) -> Iterable[str]:
    """Sentences about the persisting errors, and about those that pass if their rate is too high or nothing
    persists."""
    for errors in account.permanent:
        yield (
            f"{account.wms}: {errors.persists}, since {errors.since:%d %b %H:%M} UTC. The last error: {errors.words}"
        )
    if account.transient and (not account.permanent or account.error_rate > limit):
        since, last = min(e.since for e in account.transient), max(account.transient, key=lambda e: e.last)
        summary = ", ".join(errors.summary for errors in account.transient)
        yield (
            f"{account.wms}: {account.failed} of {account.runs} runs of the last hour failed and are tried again: "
            f"{summary}, since {since:%d %b %H:%M} UTC, last at {last.last:%H:%M}. The last error: {last.words}"
        )


def _actions(account: Account) -> Iterable[str]:
    """What to do: about each open alert, about dead letters if there are any, and about errors that pass."""
    types = [errors.type for errors in account.permanent]
    yield from (OPEN_ALERTS[each].to_do.format(wms=account.wms) for each in types if each in OPEN_ALERTS)
    if any(each not in OPEN_ALERTS for each in types):
        yield REPLAY.format(wms=account.wms)
    if account.error_rate:
        yield ASK.format(wms=account.wms)


WMS_API_ERRORS = Metric(
    name="wms_api_errors",
    label="WMS API errors",
    unit=Unit.PERCENT,
    labels=("wms", "kind", "error_class"),
    definition="The share of the last hour's runs against one WMS that failed with an error that may pass and is "
    "tried again (transient). It is measured at the WMS where it is greatest, so that the successes of one WMS do "
    "not hide the errors of another. It counts from five errors on, until there was none for a quarter of an hour. A "
    "single error that does not pass by itself (permanent) raises the alert at once. The alert stays while the error "
    "persists: until its job is done or given up, the WMS answers again, or the WMS accepts our credentials.",
    advice="Filter Jobs by the WMS's lane and read the errors. After transient errors we try again; if they go on, ask "
    "the people who run that WMS. After permanent errors there is a dead letter: remove the cause, then replay it.",
    read=wms_api_errors,
)
