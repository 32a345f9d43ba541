"""The index in which Shopify searches orders. It may lag behind the orders themselves."""

import math
import time
from copy import deepcopy

from sandbox.shopify.state.orders import Order


class SearchIndex:
    """The orders as searches show them: as they were `lag` seconds ago.

    What is asked for by its id is shown as it is. The orders are noted when a change is announced, and only while there
    is a lag.
    """

    def __init__(self, lag: float = 0.0) -> None:
        self.lag = lag
        self.states: list[tuple[float, dict[int, Order]]] = []

    def set_lag(self, lag: float, orders: dict[int, Order]) -> None:
        """Sets the lag from now on. The orders as they are now are found at once."""
        self.lag, self.states = lag, [(-math.inf, deepcopy(orders))]

    def note(self, orders: dict[int, Order]) -> None:
        """Notes the orders as they are now."""
        if self.lag:
            self.states.append((time.monotonic(), deepcopy(orders)))

    def orders(self, orders: dict[int, Order]) -> list[Order]:
        """Returns the orders as a search shows them now."""
        if not self.lag:
            return list(orders.values())
        due = time.monotonic() - self.lag
        past = [state for at, state in self.states if at <= due]
        self.states = self.states[max(len(past) - 1, 0) :]
        return list(past[-1].values()) if past else []
