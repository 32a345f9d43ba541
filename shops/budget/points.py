"""Points for a whole work: for all calls of a job's run, or of a part of it that is recorded on its own.

If a work is refused in the middle, it has spent points for nothing, and spends them again in its next run. With scarce
points this would never end. So each run is a work and asks for all its points before its first call (`Purse`): those
that it lacked last time, those that its author expects (`work(expected=)`), or those that runs of its kind usually
need. A work that needs more than the bucket ever holds waits between its calls, for a limited time. If a work is
refused many times in a row after it has spent points, staff are alerted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType

import structlog

from ops.errors import Throttled
from ops.models import Priority
from ops.workers import run_context
from shops import alerts
from shops.budget import rate_budget
from shops.budget.rate_budget import POINTS, CostReport, Limits, Purse, Reservation
from shops.refs import shop_subject

logger = structlog.get_logger(__name__)

BURNT_RUNS = 10
"""After this many runs in a row that spent points and were then refused, staff are alerted.

By then the need of the work is known, and its runs have asked for it.
"""

LONGEST_WAITS = 20.0
"""The most seconds that a run may wait between its calls in all: it must end within 50 s."""


@dataclass
class Account:
    """The points and calls of a work at one shop."""

    purse: Purse
    priority: int = Priority.LOW
    calls: int = 0
    spent: float = 0.0
    needed: float = 0.0  # the largest sum of what was spent before a call and what this call might cost
    waited: float = 0.0


@dataclass
class Work:
    """Calls that are only useful together."""

    who: str
    kind: str = ""
    expected: float = 0.0
    accounts: dict[str, Account] = field(default_factory=dict)  # by shop domain

    def account(self, domain: str) -> Account:
        """Return its account at a shop."""
        if domain not in self.accounts:
            self.accounts[domain] = Account(Purse(self.who, kind=self.kind, expected=self.expected))
        return self.accounts[domain]

    def __enter__(self) -> Work:
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give back the points that are left, and remember how many were lacking."""
        ended = "done" if error is None else "refused" if isinstance(error, Throttled) else "failed"
        for domain, account in self.accounts.items():
            _close(domain, self, account, ended=ended)


@contextmanager
def work(who: str, *, expected: float = 0.0) -> Iterator[None]:
    """Make a part of a run a work of its own: its result is recorded when it ends.

    `who` must be the same in the next run. `expected` is an estimate of the points that it needs.
    """
    with run_context.part(who) as part:
        part.attached(Work, lambda: Work(who, expected=expected))
        yield


def reserve(domain: str, *, limits: Limits, operation: str, priority: int) -> Reservation:
    """Reserve points as `rate_budget.reserve`, for the current work and with the priority of its most urgent call."""
    under_way = _current() if limits is POINTS else None
    if under_way is None:
        return rate_budget.reserve(domain, limits=limits, operation=operation, priority=priority)
    account = under_way.account(domain)
    account.priority = min(account.priority, priority)
    while True:
        try:
            return rate_budget.reserve(
                domain, limits=limits, operation=operation, priority=account.priority, purse=account.purse
            )
        except Throttled as error:
            seconds = error.wait.total_seconds()
            if not _may_wait(account, seconds):
                raise
            account.waited += seconds
            time.sleep(seconds)


def settle(reservation: Reservation, report: CostReport) -> None:
    """Settle as `rate_budget.settle`, and count the call in the account of the current work. Never raises."""
    rate_budget.settle(reservation, report)
    under_way = _current()
    if reservation.purse is None or under_way is None:
        return
    account = under_way.account(reservation.domain)
    cost = reservation.cost if report.requested is None else report.requested
    account.calls += 1
    account.needed = max(account.needed, account.spent + cost)
    account.spent += reservation.cost if report.charged is None else report.charged


def _current() -> Work | None:
    """Return the current work, or None outside a run."""
    run = run_context.current()
    if run is None:
        return None
    # A run of several jobs costs about as much as other runs of the same kind with the same number of jobs.
    return run.attached(Work, lambda: Work(run.name, kind=f"{run.kind}/{run.size}"))


def _may_wait(account: Account, seconds: float) -> bool:
    """Whether to wait between calls: only if the next run would fail too, since the work exceeds the whole bucket."""
    too_large = account.spent + account.purse.short_of > account.purse.maximum > 0
    return account.calls > 0 and too_large and account.waited + seconds <= LONGEST_WAITS


def _close(domain: str, under_way: Work, account: Account, *, ended: str) -> None:
    """Close the purse of a work at a shop, and alert if many runs in a row were refused after they had spent points."""
    purse = account.purse
    if not purse.taken and not account.calls:
        return  # it was refused before its first call, so it has spent nothing
    if ended == "done" and not purse.taken and account.calls == 1:
        purse.kind = (
            ""  # a single call says nothing about the usual need, but it does end a series of refusals
        )
    needed = max(account.needed, account.spent + purse.short_of)
    burns = rate_budget.close(domain, purse, limits=POINTS, ended=ended, needed=needed)
    if ended == "refused" and burns >= BURNT_RUNS:
        _report(domain, under_way, runs_in_row=burns, account=account)
    elif ended == "done" and burns >= BURNT_RUNS:
        alerts.POINTS_BURNT.close(shop_subject(domain))


def _report(domain: str, under_way: Work, *, runs_in_row: int, account: Account) -> None:
    logger.warning("points_burnt", shop=domain, who=under_way.who, runs=runs_in_row, spent=account.spent)
    alerts.points_burnt(
        domain,
        work=under_way.who,
        runs_in_row=runs_in_row,
        spent=account.spent,
        needed=account.spent + account.purse.short_of,
        maximum=account.purse.maximum,
    )
