"""How much an app may ask of a shop: the bucket of GraphQL points and the bucket of REST calls."""

import time


class GraphqlBucket:
    """The points of one app at one shop.

    There are never more than `maximum` points, and `restore` points come back per second. The bucket starts with
    `points` (None = with all). When it is kept `by_hand`, time passes only by calls of `pass_time`.
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
        """Returns the seconds of the bucket's clock."""
        return self.passed if self.by_hand else time.monotonic()

    def pass_time(self, seconds: float) -> None:
        """Moves the clock of a bucket that is kept by hand."""
        self.passed += seconds

    def available(self) -> float:
        """Restores the points that are due, and returns how many points there are now."""
        moment = self.now()
        self.points = min(self.maximum, self.points + (moment - self.at) * self.restore)
        self.at = moment
        return self.points

    def take(self, cost: float) -> bool:
        """Takes the requested cost, and returns whether there were enough points."""
        if cost > self.available():
            return False
        self.points -= cost
        self.charged += cost
        self.lowest = min(self.lowest, self.points)
        return True

    def give_back(self, cost: float) -> None:
        """Gives back the difference between the requested and the actual cost."""
        self.charged -= cost
        self.points = min(self.maximum, self.points + cost)

    def status(self) -> dict[str, float]:
        """Returns extensions.cost.throttleStatus of an answer."""
        return {
            "maximumAvailable": self.maximum,
            "currentlyAvailable": int(self.available()),
            "restoreRate": self.restore,
        }


class RestBucket:
    """The leaky bucket of REST calls: it holds `maximum` calls, and `leak` calls run out per second."""

    def __init__(self, *, maximum: float = 40.0, leak: float = 2.0) -> None:
        self.maximum, self.leak = maximum, leak
        self.filled = 0.0
        self.at = time.monotonic()

    def add(self) -> bool:
        """Adds one call; returns False when the bucket is full."""
        moment = time.monotonic()
        self.filled = max(0.0, self.filled - (moment - self.at) * self.leak)
        self.at = moment
        if self.filled + 1 > self.maximum:
            return False
        self.filled += 1
        return True

    def header(self) -> str:
        """Returns the header X-Shopify-Shop-Api-Call-Limit."""
        return f"{-(-self.filled // 1):.0f}/{self.maximum:.0f}"

    def wait(self) -> float:
        """Returns the seconds until one more call fits."""
        return max(0.1, (self.filled + 1 - self.maximum) / self.leak)
