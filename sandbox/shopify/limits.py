"""How much a shop may ask: the GraphQL cost bucket and the REST call bucket."""

import time


class GraphqlBucket:
    """Points of one app at one shop: `maximum` to begin with, `restore` per second."""

    def __init__(self, *, maximum: float = 2000.0, restore: float = 100.0) -> None:
        self.maximum, self.restore = maximum, restore
        self.points = maximum
        self.lowest = maximum
        self.at = time.monotonic()

    def available(self) -> float:
        """Points there are now."""
        moment = time.monotonic()
        self.points = min(self.maximum, self.points + (moment - self.at) * self.restore)
        self.at = moment
        return self.points

    def take(self, cost: float) -> bool:
        """Takes the requested cost if it is there."""
        if cost > self.available():
            return False
        self.points -= cost
        self.lowest = min(self.lowest, self.points)
        return True

    def give_back(self, cost: float) -> None:
        """The difference between requested and actual cost."""
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
