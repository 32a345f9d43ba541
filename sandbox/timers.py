"""Actions that happen later, in one thread."""

import heapq
import itertools
import threading
import time
from collections.abc import Callable


class Timers:
    """Runs actions when they are due, one after the other. They must be short and take their own locks."""

    def __init__(self) -> None:
        self.condition = threading.Condition()
        self.heap: list[tuple[float, int, Callable[[], None]]] = []
        self.numbers = itertools.count()
        self.stopped = False
        self.thread = threading.Thread(target=self.run, name="timers", daemon=True)
        self.thread.start()

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Schedules `action` to run once, `seconds` from now."""
        with self.condition:
            heapq.heappush(self.heap, (time.monotonic() + seconds, next(self.numbers), action))
            self.condition.notify()

    def clear(self) -> None:
        """Forgets every action that has not run yet."""
        with self.condition:
            self.heap.clear()

    def stop(self) -> None:
        """Ends the thread when the current action is done."""
        with self.condition:
            self.stopped = True
            self.condition.notify()

    def run(self) -> None:
        """The loop of the thread."""
        while (action := self.next_due()) is not None:
            action()

    def next_due(self) -> Callable[[], None] | None:
        """Waits until an action is due and returns it; None when the timers were stopped."""
        with self.condition:
            while not self.stopped:
                if not self.heap:
                    self.condition.wait()
                    continue
                wait = self.heap[0][0] - time.monotonic()
                if wait <= 0:
                    return heapq.heappop(self.heap)[2]
                self.condition.wait(wait)
        return None
