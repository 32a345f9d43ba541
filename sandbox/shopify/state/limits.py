"""How much a shop may ask: the GraphQL cost bucket and the REST call bucket."""

import time


class GraphqlBucket:
    """Points of one app at one shop: `maximum` at most, `restore` per second, `points` to begin with (None = all).

    `by_hand`: its clock stands still but for `pass_time`.
    """

    def __init__(
        self,
        *,
        maximum: float = 2000.0,
        restore: float = 100.0,
        points: float | None = None,
        by_hand: bool = False,
    ) -> None:
        self.maximum, self.restore = maximum, restore
        self.points = self.lowest = maximum if points is None else points
        self.charged = 0.0
        self.passed = 0.0
        self.by_hand = by_hand
        self.at = self.now()

    def now(self) -> float:
        """Seconds by its clock."""
        return self.passed if self.by_hand else time.monotonic()

    def pass_time(self, seconds: float) -> None:
        """Move the clock of a bucket that is kept by hand."""
        self.passed += seconds

    def available(self) -> float:
        """Points there are now."""
        moment = self.now()
        self.points = min(self.maximum, self.points + (moment - self.at) * self.restore)
        self.at = moment
        return self.points

    def take(self, cost: float) -> bool:
        """Takes the requested cost if it is there."""
        if cost > self.available():
            return False
        self.points -= cost
        self.charged += cost
        self.lowest = min(self.lowest, self.points)
        return True

    def give_back(self, cost: float) -> None:
        """The difference between requested and actual cost."""
        self.charged -= cost
        self.points = min(self.maximum, self.points + cost)

    def status(self) -> dict[str, float]:
        """extensions.cost.throttleStatus"""
        return {
            "maximumAvailable": self.maximum,
            "currentlyAvailable": int(self.available()),
            "restoreRate": self.restore,
        }


class RestBucket:
    """Leaky bucket of REST calls: `maximum` fit in, `leak` run out per second."""

    def __init__(self, *, maximum: float = 40.0, leak: float = 2.0) -> None:
        self.maximum, self.leak = maximum, leak
        self.filled = 0.0
        self.at = time.monotonic()

    def add(self) -> bool:
        """One call more; False when the bucket is full."""
        moment = time.monotonic()
        self.filled = max(0.0, self.filled - (moment - self.at) * self.leak)
        self.at = moment
        if self.filled + 1 > self.maximum:
            return False
        self.filled += 1
        return True

    def header(self) -> str:
        """X-Shopify-Shop-Api-Call-Limit"""
        return f"{-(-self.filled // 1):.0f}/{self.maximum:.0f}"

    def wait(self) -> float:
        """Seconds until one call fits."""
        return max(0.1, (self.filled + 1 - self.maximum) / self.leak)
