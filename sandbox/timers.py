"""Things that happen later: one thread, one heap."""

import heapq
import itertools
import threading
import time
from collections.abc import Callable


class Timers:
    """Runs callables at their time, one after the other; they must be short and take their own locks."""

    def __init__(self) -> None:
        self.condition = threading.Condition()
        self.heap: list[tuple[float, int, Callable[[], None]]] = []
        self.numbers = itertools.count()
        self.stopped = False
        self.thread = threading.Thread(target=self.run, name="timers", daemon=True)
        self.thread.start()

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Runs `action` once, `seconds` from now."""
        with self.condition:
            heapq.heappush(self.heap, (time.monotonic() + seconds, next(self.numbers), action))
            self.condition.notify()

    def clear(self) -> None:
        """Forgets everything that has not happened yet."""
        with self.condition:
            self.heap.clear()

    def stop(self) -> None:
        """Ends the thread after what it is doing."""
        with self.condition:
            self.stopped = True
            self.condition.notify()

    def run(self) -> None:
        """The thread: waits for the next due action."""
        while (action := self.next_due()) is not None:
            action()

    def next_due(self) -> Callable[[], None] | None:
        """Blocks until an action is due; None when stopped."""
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
