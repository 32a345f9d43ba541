"""Wake-ups of deliveries are sent apart from the requests: every one, and those of one lane together."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from ops.queue import lanes
from ops.queue.queues import Queue
from shops.jobs import UNHANDLED
from wmsbridge.web.wakeups import wakes_later


class Sent(Counter[str]):
    """What was sent, by lane; each sending takes until `free` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.free, self.some = threading.Event(), threading.Event()

    def send(self, name: str, queue: Queue) -> None:
        self[name] += 1
        self.some.set()
        assert self.free.wait(5)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    found = Sent()
    monkeypatch.setattr(lanes, "_send", found.send)
    return found


def _application(environ: dict[str, Any], _start_response: Callable[..., Any]) -> Iterable[bytes]:
    lanes.send_wakeup(environ["lane"], UNHANDLED.name)
    if environ.get("fails"):
        raise ValueError("after the commit")
    return [b""]


def test_a_request_does_not_wait_and_what_comes_meanwhile_is_sent_together(sent: Sent) -> None:
    serve = wakes_later(_application)
    serve({"lane": "first"}, print)
    assert sent.some.wait(5)
    for _ in range(5):
        serve({"lane": "second"}, print)
    assert sent == {"first": 1}
    sent.some.clear()
    sent.free.set()
    assert sent.some.wait(5)
    assert sent == {"first": 1, "second": 1}


def test_one_that_comes_after_a_sending_began_is_sent_once_more(sent: Sent) -> None:
    serve = wakes_later(_application)
    sent.free.set()
    for number in range(1, 4):
        sent.some.clear()
        serve({"lane": "first"}, print)
        assert sent.some.wait(5)
        assert sent == {"first": number}


def test_a_failure_after_the_commit_loses_no_wake_up(sent: Sent) -> None:
    sent.free.set()
    with pytest.raises(ValueError, match="after the commit"):
        wakes_later(_application)({"lane": "first", "fails": True}, print)
    assert sent.some.wait(5)
