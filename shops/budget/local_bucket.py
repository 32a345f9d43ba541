"""A shop's budget in a process that does without Redis."""

from __future__ import annotations

import threading
import time

from shops.budget.limits import Limits, Purse, Receipt

LOCAL_SHARE = 1 / 8
"""Share of a bucket that one process takes when Redis is away: one over the usual number of processes."""


class LocalBucket:
    """One process's small share of a bucket, charged before the call and refunded after it."""

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
        """(seconds to wait: 0 = taken, cost). A work that needs more than there ever is goes into debt."""
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
        """What was taken for a work and not used."""
        with self._lock:
            self._advance()
            self._level = min(self._maximum, self._level + points)

    def settle(self, operation: str, reserved: float, receipt: Receipt) -> None:
        """Give back what was reserved but not charged; remember sizes and costs, also while Redis is there."""
        with self._lock:
            self._advance()
            self._maximum = (receipt.maximum or self._maximum / LOCAL_SHARE) * LOCAL_SHARE
            self._restore = (receipt.restore or self._restore / LOCAL_SHARE) * LOCAL_SHARE
            if receipt.requested is not None:
                self._costs[operation] = max(receipt.requested, self._costs.get(operation, 0.0))
            charged = reserved if receipt.charged is None else receipt.charged
            level = self._level + (reserved - charged if reserved else 0.0)
            level -= receipt.closed_for * self._restore
            if receipt.available is not None:
                level = min(level, receipt.available)
            self._level = min(level, self._maximum)

    def _advance(self) -> None:
        now = time.monotonic()
        self._level = min(self._maximum, self._level + (now - self._at) * self._restore)
        self._at = now
