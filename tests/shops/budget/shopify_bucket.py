"""What Shopify does with a bucket, as its documentation says: the oracle for our budget."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class ShopifyBucket:
    """Reserves the requested cost, refunds the difference when the query is done, refuses what does not fit."""

    maximum: float
    restore: float
    level: float = field(init=False)
    at: float = 0.0
    refused: int = 0
    lowest: float = field(init=False)

    def __post_init__(self) -> None:
        self.level = self.lowest = self.maximum

    def _advance(self, now: float) -> None:
        self.level = min(self.maximum, self.level + max(0.0, now - self.at) * self.restore)
        self.at = max(self.at, now)

    def begin(self, requested: float, *, now: float) -> bool:
        """Take the requested cost; False = THROTTLED."""
        self._advance(now)
        if self.level + 1e-6 < requested:
            self.refused += 1
            return False
        self.level -= requested
        self.lowest = min(self.lowest, self.level)
        return True

    def end(self, requested: float, actual: float, *, now: float) -> float:
        """Refund what was not used; the figure that goes into the answer as currentlyAvailable (whole points)."""
        self._advance(now)
        self.level = min(self.maximum, self.level + requested - actual)
        return float(int(self.level))
