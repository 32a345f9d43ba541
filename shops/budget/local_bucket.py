"""The budget of a shop in one process while Redis is away."""

from __future__ import annotations

import threading
import time

from shops.budget.limits import CostReport, Limits, Purse

LOCAL_SHARE = 1 / 8
"""The share of a bucket that one process uses while Redis is away: one divided by the usual number of processes."""


class LocalBucket:
    """One process's small share of a bucket. It is charged before a call and refunded after it."""

    def __init__(self, limits: Limits) -> None:
        self._lock = threading.Lock()
        self._maximum = limits.maximum * LOCAL_SHARE
        self._restore = limits.restore * LOCAL_SHARE
        self._default_cost = limits.cost
        self._costs: dict[str, float] = {}
        self._level = self._maximum
        self._at = time.monotonic()

    def reserve(
        self, operation: str, *, floor: float, leave: float, purse: Purse | None
    ) -> tuple[float, float]:
        """Return the seconds to wait (0 = the points were taken) and the cost.

        A work that needs more than the bucket ever holds is admitted when the bucket is full, and makes it negative.
        """
        with self._lock:
            self._advance()
            cost = self._costs.get(operation, self._default_cost)
            if purse and purse.begun and purse.left >= cost:
                purse.left -= cost
                return 0.0, cost
            whole = max(cost, purse.expected if purse and not purse.begun else 0.0)
            need = min(self._maximum, max(self._maximum * floor, whole + self._maximum * leave))
            if self._level + 1e-9 < need:
                if purse:
                    purse.short_of = cost
                return (need - self._level) / self._restore, cost
            self._level -= whole
            if purse:
                purse.begun, purse.left = True, purse.left + whole - cost
                purse.taken |= whole > cost
            return 0.0, cost

    def give_back(self, points: float) -> None:
        """Return points that a work took and did not use."""
        with self._lock:
            self._advance()
            self._level = min(self._maximum, self._level + points)

    def settle(self, operation: str, reserved: float, report: CostReport) -> None:
        """Give back what was reserved but not charged. Sizes and costs are remembered even while Redis is available."""
        with self._lock:
            self._advance()
            self._maximum = (report.maximum or self._maximum / LOCAL_SHARE) * LOCAL_SHARE
            self._restore = (report.restore or self._restore / LOCAL_SHARE) * LOCAL_SHARE
            if report.requested is not None:
                self._costs[operation] = max(report.requested, self._costs.get(operation, 0.0))
            charged = reserved if report.charged is None else report.charged
            level = self._level + (reserved - charged if reserved else 0.0)
            level -= report.closed_for * self._restore
            if report.available is not None:
                level = min(level, report.available)
            self._level = min(level, self._maximum)

    def _advance(self) -> None:
        now = time.monotonic()
        self._level = min(self._maximum, self._level + (now - self._at) * self._restore)
        self._at = now
