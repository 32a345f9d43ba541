"""Delivers signed messages at least once.

As the settings say, a message is retried, sometimes sent twice, sent out of order, or lost.
"""

import http.client
import queue
import random
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from sandbox.timers import Timers

TIMEOUT_SECONDS = 5.0
WORKERS = 8
KEPT_DELIVERIES = 5000
COUNTS = ("made", "attempts", "delivered", "lost", "failed", "duplicated", "late", "overtaken")
"""What is counted by topic: `attempts` and `delivered` count copies, the others count messages.

A message is overtaken when a later message of its account arrived before it.
"""


@dataclass
class Settings:
    """How deliveries misbehave, and `latency`: the seconds that are added to every API answer."""

    copies: int = 1
    duplicate: float = 0.0
    shuffle_seconds: float = 0.0
    late: float = 0.0
    late_seconds: float = 20.0
    loss: float = 0.0
    spare: list[str] = field(default_factory=list)  # topics and accounts whose messages never get lost
    seed: int = 0
    deliver: bool = True
    retry_delays: list[float] = field(default_factory=lambda: [0.2, 0.4, 0.8, 1.6, 3, 6, 12, 24])
    latency: float = 0.0

    def change(self, values: dict[str, Any]) -> dict[str, Any]:
        """Changes the given settings and returns all of them. Raises ValueError for an unknown name."""
        if unknown := set(values) - set(asdict(self)):
            raise ValueError(f"unknown settings: {', '.join(sorted(unknown))}")
        for name, value in values.items():
            setattr(self, name, value)
        return asdict(self)


@dataclass
class Delivery:
    """One message to one address. Its copies and its retries share the id.

    `number` is the message's place among the messages of its account. `arrived` is called when the receiver has
    accepted the first copy.
    """

    id: str
    event_id: str
    topic: str
    account: str
    url: str
    headers: dict[str, str]
    body: bytes
    state: str = "pending"
    open_copies: int = 0
    number: int = 0
    arrived: Callable[[], None] | None = None
    attempts: list[dict[str, Any]] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Returns the delivery as the control API shows it."""
        return {
            "webhook_id": self.id,
            "event_id": self.event_id,
            "topic": self.topic,
            "domain": self.account,
            "url": self.url,
            "state": self.state,
            "attempts": list(self.attempts),
            "body": self.body.decode("utf-8", "replace"),
        }


class DeliveryQueue:
    """The delivery threads of one server."""

    def __init__(self, timers: Timers) -> None:
        self.timers = timers
        self.settings = Settings()
        self.lock = threading.Lock()
        self.round = (
            0  # a reset starts a new round; deliveries that are still on their way belong to the old one
        )
        self.forget()
        self.work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self.connections = threading.local()
        self.threads = [
            threading.Thread(target=self.run, name="delivery", daemon=True) for _ in range(WORKERS)
        ]
        for thread in self.threads:
            thread.start()

    def forget(self) -> None:
        """Drops all deliveries, counters and settings."""
        with self.lock:
            self.round += 1
            self.settings = Settings()
            self.random = random.Random(0)
            self.log: deque[Delivery] = deque(maxlen=KEPT_DELIVERIES)
            self.held: list[Delivery] = []
            self.pending = 0
            self.counts: dict[str, Counter[str]] = {name: Counter() for name in COUNTS}
            self.numbers: Counter[str] = Counter()
            self.newest_arrived: Counter[str] = Counter()

    def stop(self) -> None:
        """Ends each thread as soon as it is idle."""
        for _ in self.threads:
            self.work.put(None)

    def change_settings(self, values: dict[str, Any]) -> dict[str, Any]:
        """Changes settings. A seed restarts the random numbers, and `deliver: true` sends what was held back."""
        settings = self.settings.change(values)
        if "seed" in values:
            self.random = random.Random(values["seed"])
        if values.get("deliver"):
            with self.lock:
                held, self.held = self.held, []
            for delivery in held:
                self.send(delivery)
        return settings

    def post(self, delivery: Delivery) -> None:
        """Accepts a message for delivery and returns at once."""
        with self.lock:
            self.counts["made"][delivery.topic] += 1
            self.numbers[delivery.account] += 1
            delivery.number = self.numbers[delivery.account]
            self.log.append(delivery)
            spared = {delivery.topic, delivery.account} & set(self.settings.spare)
            if self.random.random() < self.settings.loss and not spared:
                delivery.state = "lost"
                self.counts["lost"][delivery.topic] += 1
                return
            self.pending += 1
            if not self.settings.deliver:
                delivery.state = "held"
                self.held.append(delivery)
                return
        self.send(delivery)

    def send(self, delivery: Delivery) -> None:
        """Schedules every copy of a message, each at a time of its own."""
        with self.lock:
            delivery.state = "pending"
            delivery.open_copies = self.settings.copies + (self.random.random() < self.settings.duplicate)
            self.counts["duplicated"][delivery.topic] += delivery.open_copies > 1
            late = self.random.random() < self.settings.late
            self.counts["late"][delivery.topic] += late
            longest = self.settings.shuffle_seconds
            waits = [
                self.random.uniform(0, longest) + late * self.settings.late_seconds
                for _ in range(delivery.open_copies)
            ]
            this_round = self.round
        for copy, wait in enumerate(waits, start=1):
            self.later(wait, delivery, copy=copy, attempt=0, this_round=this_round)

    def later(self, wait: float, delivery: Delivery, *, copy: int, attempt: int, this_round: int) -> None:
        """Queues one attempt, now or after the given seconds."""

        def deliver() -> None:
            self.attempt(delivery, copy=copy, attempt=attempt, this_round=this_round)

        if wait > 0:
            self.timers.after(wait, lambda: self.work.put(deliver))
        else:
            self.work.put(deliver)

    def run(self) -> None:
        """The loop of one delivery thread."""
        while (deliver := self.work.get()) is not None:
            deliver()

    def attempt(self, delivery: Delivery, *, copy: int, attempt: int, this_round: int) -> None:
        """Posts one copy once, and schedules the next attempt when the answer was not 2xx."""
        if this_round != self.round:
            return
        began = time.monotonic()
        status, _ = self.exchange(delivery.url, delivery.headers, delivery.body)
        seconds = round(time.monotonic() - began, 4)
        good = isinstance(status, int) and 200 <= status < 300
        with self.lock:
            if this_round != self.round:
                return
            delivery.attempts.append(
                {"at": datetime.now(UTC).isoformat(), "status": status, "copy": copy, "seconds": seconds}
            )
            self.counts["attempts"][delivery.topic] += 1
            if good and delivery.state != "delivered":
                self.arrive(delivery)
            again = not good and attempt < len(self.settings.retry_delays)
            if not again:
                self.counts["delivered" if good else "failed"][delivery.topic] += 1
                self.finish(delivery, good=good)
        if again:
            wait = self.settings.retry_delays[attempt]
            self.later(wait, delivery, copy=copy, attempt=attempt + 1, this_round=this_round)

    def arrive(self, delivery: Delivery) -> None:
        """Notes that the receiver has accepted the first copy."""
        if delivery.number < self.newest_arrived[delivery.account]:
            self.counts["overtaken"][delivery.topic] += 1
        else:
            self.newest_arrived[delivery.account] = delivery.number
        if delivery.arrived:
            delivery.arrived()

    def finish(self, delivery: Delivery, *, good: bool) -> None:
        """Closes one copy. The delivery is done when its last copy is closed."""
        delivery.open_copies -= 1
        if good or delivery.state != "delivered":
            delivery.state = "delivered" if good else "failed"
        if delivery.open_copies == 0:
            self.pending -= 1

    def exchange(self, url: str, headers: dict[str, str], body: bytes) -> tuple[int | str, str]:
        """Sends one POST and returns (status, body), or (name of the failure, "").

        When a pooled connection turns out to be stale, the request is sent once more on a new connection.
        """
        parts = urlsplit(url)
        pool: dict[str, http.client.HTTPConnection] = self.connections.__dict__
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        for fresh in (False, True):
            pooled = None if fresh else pool.pop(parts.netloc, None)
            if pooled is None and not fresh:
                continue
            connection = pooled or http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT_SECONDS)
            try:
                connection.request("POST", target, body=body, headers=headers)
                response = connection.getresponse()
                text = response.read().decode("utf-8", "replace")
            except (OSError, http.client.HTTPException) as problem:
                connection.close()
                if fresh or isinstance(problem, socket.timeout):
                    return type(problem).__name__, ""
                continue
            if not response.will_close:
                pool[parts.netloc] = connection
            return response.status, text
        raise AssertionError("a new connection always answers or fails")

    def wait_idle(self, seconds: float) -> bool:
        """Waits until every message was delivered or given up, and returns whether that happened within the time.

        Messages that are held back do not count.
        """
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with self.lock:
                if self.pending == len(self.held):
                    return True
            time.sleep(0.01)
        return False

    def newest(self, *, account: str | None, topic: str | None, limit: int) -> list[dict[str, Any]]:
        """Returns the newest deliveries, with the newest one last."""
        with self.lock:
            fitting = [d for d in self.log if account in (None, d.account) and topic in (None, d.topic)]
            return [d.summary() for d in fitting[-limit:]]

    def books(self) -> dict[str, Any]:
        """Returns the counters by topic, and how many deliveries are pending."""
        with self.lock:
            return {**{name: dict(counter) for name, counter in self.counts.items()}, "pending": self.pending}
