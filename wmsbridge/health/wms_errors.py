"""What WMSs answer instead of doing what they were asked: per WMS and type, what passes apart from what does not."""

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
from wmsbridge.health.measuring import Metric, Part, Reading, Unit, Words, rows

FEW_ERRORS = 5
"""Fewer failed calls of one WMS than this in the last hour are no share of anything: shown, but no alert."""

GOES_ON_SECONDS = 15 * 60.0
"""A WMS without a transient error for so long has recovered: FEW_ERRORS in an hour cannot all be further apart."""

MOST_WORDS = 300
"""Characters of a WMS's own words that an alert quotes."""

# Runs in the lanes of calls to WMSs. Their inboxes ("wms:<slug>/in") are our own work; bugs and lost workers are too. A
# dead job whose runs were forgotten counts. A circuit is open with an alert; without one its lane only rests. A WMS
# that was switched off is not called any more, so that nothing could end its alerts.
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
class Standing:
    """An alert that stands for errors as long as it is open: the words for it, and what to do."""

    told: str
    to_do: str


STANDING = {
    CIRCUIT_OPEN.name: Standing(
        "does not answer",
        "If {wms} does not come back by itself, ask the people who run it. Its work then continues by itself.",
    ),
    WMS_REFUSES_CREDENTIALS.name: Standing(
        "refuses our credentials",
        "Correct the token of the connection {wms}. Its work then continues by itself.",
    ),
    SECRET_UNREADABLE.name: Standing(
        "has a token that cannot be read",
        "Put the old encryption key back, or enter the token of the connection {wms} again.",
    ),
    LOOK_UP_REFUSED.name: Standing(
        "refuses to be asked about orders",
        "Ask the people who run {wms} why it refuses to be asked about its orders.",
    ),
}

REPLAY = "Open Dead letters of lane wms:{wms}, remove the cause that each one names, then choose «Replay»."
ASK = "After errors that may pass, {wms} is called again by itself. If they go on, ask the people who run it."


@dataclass(frozen=True)
class Errors:
    """Errors of one type at one WMS. `age`: seconds since the last."""

    type: str
    count: int
    since: datetime
    last: datetime
    age: float
    words: str

    @property
    def told(self) -> str:
        """In words."""
        return f"{self.count} × {self.type}"

    @property
    def persists(self) -> str:
        """In words, of what does not pass by itself."""
        if self.type in STANDING:
            return STANDING[self.type].told
        return f"{self.told} persists" if self.count == 1 else f"{self.told} persist"


@dataclass
class Account:
    """How one WMS fared: errors that persist, errors of the last hour that pass, and all its runs in that hour."""

    wms: str
    permanent: list[Errors] = field(default_factory=list)
    transient: list[Errors] = field(default_factory=list)
    runs: int = 0

    @property
    def failed(self) -> int:
        """Runs of the last hour that failed and are tried again."""
        return sum(each.count for each in self.transient)

    @property
    def share(self) -> float:
        """Percent of the last hour's runs, while it goes on."""
        goes_on = any(each.age < GOES_ON_SECONDS for each in self.transient)
        return 100 * self.failed / max(self.runs, self.failed) if goes_on else 0.0

    @property
    def meaningful(self) -> bool:
        """Whether there were enough errors to speak of a share."""
        return self.failed >= FEW_ERRORS


def wms_api_errors() -> Reading:
    """Percent of the last hour's runs that failed and are tried again, at the WMS where they are most."""
    accounts = _accounts()
    worst = max(accounts, key=lambda each: (each.meaningful, each.share), default=Account(""))
    limit: float = settings.HEALTH_THRESHOLDS["wms_api_errors"]
    ill = [each for each in accounts if each.permanent or (each.meaningful and each.share > limit)]
    return Reading(
        worst.share,
        _detail(accounts),
        _parts(accounts),
        meaningful=worst.meaningful,
        urgent=any(each.permanent for each in accounts),
        words=_words(ill, limit) if ill else None,
    )


def _accounts() -> list[Account]:
    """One for each WMS that was called or has errors, those with errors that persist first."""
    found: defaultdict[str, Account] = defaultdict(lambda: Account(""))
    for what, lane, type_, count, since, last, age, words in rows(
        _WMS_ERRORS, {"kinds": list(STANDING), "circuit": CIRCUIT_OPEN.name}
    ):
        account = found[lane]
        account.wms = lane.removeprefix("wms:")
        if what == "run":
            account.runs += count
        else:
            errors = account.permanent if what == "permanent" else account.transient
            errors.append(Errors(type_, count, since, last, age, " ".join(words.split())[:MOST_WORDS]))
    return sorted(found.values(), key=lambda each: (not each.permanent, -each.share, each.wms))


def _parts(accounts: Iterable[Account]) -> dict[Part, float]:
    return {
        (each.wms, kind, errors.type): float(errors.count)
        for kind in ("permanent", "transient")
        for each in accounts
        for errors in getattr(each, kind)
    }


def _detail(accounts: list[Account]) -> str:
    told = [f"{each.wms}: {errors.persists}" for each in accounts for errors in each.permanent]
    told += [f"{each.wms}: {errors.told}" for each in accounts for errors in each.transient]
    return "; ".join(told[:4]) or f"none in {sum(each.runs for each in accounts)} runs of the last hour"


def _words(ill: list[Account], limit: float) -> Words:
    meaning = [sentence for each in ill for sentence in _meaning(each, limit)]
    return Words(
        title="; ".join(_title(each) for each in ill),
        meaning=" ".join(meaning),
        action=" ".join(step for each in ill for step in _actions(each)),
        cause=connections_cause(each.wms for each in ill),
    )


def _title(account: Account) -> str:
    if account.permanent:
        return f"{account.wms}: {', '.join(errors.persists for errors in account.permanent)}"
    return f"{account.wms}: {account.share:.0f} % of {account.runs} runs failed"


def _meaning(account: Account, limit: float) -> Iterable[str]:
    for errors in account.permanent:
        yield (
            f"{account.wms}: {errors.persists}, since {errors.since:%d %b %H:%M} UTC. The last error: {errors.words}"
        )
    if account.transient and (not account.permanent or account.share > limit):
        since, last = min(e.since for e in account.transient), max(account.transient, key=lambda e: e.last)
        told = ", ".join(errors.told for errors in account.transient)
        yield (
            f"{account.wms}: {account.failed} of {account.runs} runs of the last hour failed and are tried again: "
            f"{told}, since {since:%d %b %H:%M} UTC, last at {last.last:%H:%M}. The last error: {last.words}"
        )


def _actions(account: Account) -> Iterable[str]:
    types = [errors.type for errors in account.permanent]
    yield from (STANDING[each].to_do.format(wms=account.wms) for each in types if each in STANDING)
    if any(each not in STANDING for each in types):
        yield REPLAY.format(wms=account.wms)
    if account.share:
        yield ASK.format(wms=account.wms)


WMS_API_ERRORS = Metric(
    name="wms_api_errors",
    label="WMS API errors",
    unit=Unit.PERCENT,
    labels=("wms", "kind", "error_class"),
    definition="The share of the last hour's runs against one WMS that failed by an error that may pass and is tried "
    "again (transient), at the WMS where it is greatest: the errors of one are not thinned out by the successes of "
    "another. It counts from five errors on, until there was none for a quarter of an hour. An error that does not "
    "pass by itself (permanent) alerts at once, a single one too, and as long as it persists: until its job is done or "
    "given up, the WMS answers again, or takes our credentials.",
    advice="Filter Jobs by the WMS's lane and read the errors. After transient errors we try again; if they go on, ask "
    "the people who run that WMS. After permanent errors there is a dead letter: remove the cause, then replay it.",
    read=wms_api_errors,
)
