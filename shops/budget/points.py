"""Points for a whole work: all calls of a job's run, or of a part of it that stands for itself.

A work that is refused in its middle has spent for nothing, and begins again by spending: where points are scarce it
would do so for ever. So each run is a work, and asks for all that it needs before its first call (`budget.Purse`): what
it lacked when it was last refused, what its author expects (`work(expected=)`), or what runs of its kind usually need.
One that needs more than the bucket ever holds waits between its calls, for a bounded time. Whoever is refused again and
again after it has spent is told to staff.
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
from shops.budget.rate_budget import POINTS, Limits, Purse, Receipt, Reservation
from shops.refs import shop_subject

logger = structlog.get_logger(__name__)

BURNT_RUNS = 10
"""Runs in a row that spent points and were then refused: by then what is lacking is known, and was asked for."""

LONGEST_WAITS = 20.0
"""Seconds that a run may wait in its middle, all together: it must end within 50 s."""


@dataclass
class Account:
    """What a work has to do with one shop's bucket."""

    purse: Purse
    priority: int = Priority.LOW
    calls: int = 0
    spent: float = 0.0
    needed: float = 0.0  # at once: what was spent before a call, and all that the call might cost
    waited: float = 0.0


@dataclass
class Work:
    """Calls that are worth nothing one without the other."""

    who: str
    kind: str = ""
    expected: float = 0.0
    accounts: dict[str, Account] = field(default_factory=dict)  # by shop domain

    def account(self, domain: str) -> Account:
        """Its account at a shop."""
        if domain not in self.accounts:
            self.accounts[domain] = Account(Purse(self.who, kind=self.kind, expected=self.expected))
        return self.accounts[domain]

    def __enter__(self) -> Work:
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give back what is left, remember what was lacking."""
        ended = "done" if error is None else "refused" if isinstance(error, Throttled) else "failed"
        for domain, account in self.accounts.items():
            _close(domain, self, account, ended=ended)


@contextmanager
def work(who: str, *, expected: float = 0.0) -> Iterator[None]:
    """A part of a run that stands for itself: what it did is recorded when it ends. `who` is the same the next time;
    `expected`: the points that it will need, as far as can be told.
    """
    with run_context.part(who) as part:
        part.attached(Work, lambda: Work(who, expected=expected))
        yield


def reserve(domain: str, *, limits: Limits, operation: str, priority: int) -> Reservation:
    """As `budget.reserve`, for the work that is under way, as urgently as its most urgent call."""
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


def settle(reservation: Reservation, receipt: Receipt) -> None:
    """As `budget.settle`. Never raises."""
    rate_budget.settle(reservation, receipt)
    under_way = _current()
    if reservation.purse is None or under_way is None:
        return
    account = under_way.account(reservation.domain)
    cost = reservation.cost if receipt.requested is None else receipt.requested
    account.calls += 1
    account.needed = max(account.needed, account.spent + cost)
    account.spent += reservation.cost if receipt.charged is None else receipt.charged


def _current() -> Work | None:
    run = run_context.current()
    if run is None:
        return None
    # Jobs that were taken along cost about as much as others of so many.
    return run.attached(Work, lambda: Work(run.name, kind=f"{run.kind}/{run.size}"))


def _may_wait(account: Account, seconds: float) -> bool:
    """Whether the work has begun, and needs more than the bucket ever holds: it would not get further the next time."""
    too_large = account.spent + account.purse.short_of > account.purse.maximum > 0
    return account.calls > 0 and too_large and account.waited + seconds <= LONGEST_WAITS


def _close(domain: str, under_way: Work, account: Account, *, ended: str) -> None:
    purse = account.purse
    if not purse.taken and not account.calls:
        return  # refused before it began: it has spent nothing
    if ended == "done" and not purse.taken and account.calls == 1:
        purse.kind = ""  # one call teaches nothing of its kind; but that it was refused so often is over
    needed = max(account.needed, account.spent + purse.short_of)
    burns = rate_budget.close(domain, purse, limits=POINTS, ended=ended, needed=needed)
    if ended == "refused" and burns >= BURNT_RUNS:
        _tell(domain, under_way, runs_in_row=burns, account=account)
    elif ended == "done" and burns >= BURNT_RUNS:
        alerts.POINTS_BURNT.close(shop_subject(domain))


def _tell(domain: str, under_way: Work, *, runs_in_row: int, account: Account) -> None:
    logger.warning("points_burnt", shop=domain, who=under_way.who, runs=runs_in_row, spent=account.spent)
    alerts.points_burnt(
        domain,
        work=under_way.who,
        runs_in_row=runs_in_row,
        spent=account.spent,
        needed=account.spent + account.purse.short_of,
        maximum=account.purse.maximum,
    )
