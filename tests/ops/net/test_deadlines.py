"""Another system that answers too slowly, in whatever way, holds nobody longer than the deadline of a call."""

from __future__ import annotations

import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from ops.errors import AnswerLost, EndpointFailed, Transient
from ops.models import Alert, Circuit, JobAttempt, Lane
from ops.net import http, targets
from ops.queue import jobs
from ops.queue.queues import Queue
from ops.refs import LaneName, Subject
from ops.workers import lane_worker
from shops.access import credentials
from tests.builders import make_shop
from tests.drain import drain
from tests.ops.job_stub import KIND, acts

DEADLINE = 1.0
MARGIN = 0.5
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
WHOLE = HEAD + b"Content-Length: 2\r\n\r\n{}"

Manner = Callable[[socket.socket, threading.Event], object]


def dripping(start: bytes, drop: bytes) -> Manner:
    """Sends this at once and a drop of the rest ten times a second, without end."""

    def answer(sock: socket.socket, over: threading.Event) -> None:
        sock.sendall(start)
        while not over.wait(0.1):
            sock.sendall(drop)

    return answer


def stalled(start: bytes) -> Manner:
    """Sends this at once and then nothing."""

    def answer(sock: socket.socket, over: threading.Event) -> None:
        sock.sendall(start)
        over.wait(30)

    return answer


def at_once(sock: socket.socket, over: threading.Event) -> None:
    """As one should."""
    sock.sendall(WHOLE)


MANNERS = {
    "dripping status line": dripping(b"HTTP/1.1 200 ", b"O"),
    "dripping head": dripping(HEAD + b"X-Slow: ", b"x"),
    "headers without end": dripping(HEAD, b"X-Slow: x\r\n"),
    "interim answers without end": dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "dripping body": dripping(HEAD + b"Content-Length: 1000000\r\n\r\n", b" "),
    "dripping body without a length": dripping(HEAD + b"Connection: close\r\n\r\n", b" "),
    "dripping chunks": dripping(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "dripping chunk size": dripping(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "dripping trailers": dripping(HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-Slow: x\r\n"),
    "nothing": stalled(b""),
    "stalled head": stalled(HEAD),
    "stalled body": stalled(HEAD + b'Content-Length: 1000\r\n\r\n{"a": '),
}


class Server:
    """Answers every connection in the manner it is told."""

    def __init__(self) -> None:
        self.manner: Manner = at_once
        self.over = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while not self.over.is_set():
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with sock:
            try:
                while sock.recv(65536):
                    self.manner(sock, self.over)
            except OSError:
                return

    def close(self) -> None:
        self.over.set()
        self._listening.close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(http, "LONGEST_CALL_SECONDS", DEADLINE)
    http._local.__dict__.clear()
    running = Server()
    yield running
    running.close()


def call(server: Server, *, changes: bool = False) -> Any:
    method = "POST" if changes else "GET"
    return http.send(method, server.url, changes=changes, what="a look", pool="slow")


@pytest.mark.parametrize("changes", [False, True], ids=["looking", "changing"])
@pytest.mark.parametrize("manner", MANNERS.values(), ids=MANNERS.keys())
def test_a_slow_answer_ends_with_the_deadline_as_the_endpoint_s_failure(
    server: Server, manner: Manner, changes: bool
) -> None:
    server.manner = manner
    began = time.monotonic()
    with pytest.raises(Transient) as failed:
        call(server, changes=changes)
    assert time.monotonic() - began < DEADLINE + MARGIN
    assert type(failed.value) is (AnswerLost if changes else EndpointFailed)


def test_each_call_on_a_kept_connection_has_the_whole_time(server: Server) -> None:
    for _ in range(2):
        assert call(server).content == b"{}"
        time.sleep(DEADLINE * 0.7)
    assert call(server).content == b"{}"


def test_a_call_at_the_end_of_a_worker_s_turn_ends_with_it(
    server: Server, monkeypatch: pytest.MonkeyPatch, transactional_db: None
) -> None:
    monkeypatch.setattr(http, "LONGEST_CALL_SECONDS", 20.0)
    monkeypatch.setattr(lane_worker, "CALL_SECONDS", DEADLINE)
    server.manner = MANNERS["nothing"]
    jobs.NewJob(KIND, key="late", lane=LaneName("wms:a")).enqueue()

    def works_then_calls(_: object) -> None:
        time.sleep(DEADLINE * 0.7)
        call(server)

    acts.append(works_then_calls)
    began = time.monotonic()
    assert lane_worker.work("wms:a", token=uuid.uuid4(), queues=list(Queue)) == 1
    assert time.monotonic() - began < DEADLINE + MARGIN
    assert JobAttempt.objects.get().outcome == JobAttempt.Outcome.TRANSIENT
    assert Lane.objects.get().failures == 1


def test_a_silence_within_the_deadline_still_ends_with_its_own_time_out(server: Server) -> None:
    server.manner = stalled(HEAD)
    began = time.monotonic()
    with pytest.raises(Transient):
        http.send("GET", server.url, changes=False, what="a look", pool="slow", timeout=(1, 0.2))
    assert time.monotonic() - began < DEADLINE


@pytest.mark.parametrize(("longest", "resolve"), [(0.2, 9.0), (9.0, 0.2)])
def test_name_servers_that_do_not_answer_hold_a_call_no_longer_than_it_may_take(
    longest: float, resolve: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: over.wait(30) and [])
    monkeypatch.setattr(http, "LONGEST_CALL_SECONDS", longest)
    monkeypatch.setattr(targets, "RESOLVE_SECONDS", resolve)
    began = time.monotonic()
    with pytest.raises(Transient, match="could not connect") as failed:
        http.send("POST", "https://wms.example.com/", changes=True, what="a change", pool="unknown")
    assert time.monotonic() - began < 0.2 + MARGIN
    assert type(failed.value) is EndpointFailed  # nothing was sent
    over.set()


@pytest.mark.django_db
def test_the_renewal_of_a_token_is_bounded_too(server: Server, settings: Any) -> None:
    settings.SHOPIFY_ADMIN_URL = server.url.rstrip("/")
    server.manner = MANNERS["dripping body"]
    shop = make_shop(access_token="", client_id="cid", client_secret="csec")
    began = time.monotonic()
    with pytest.raises(Transient) as failed:
        credentials.token_for(shop)
    assert time.monotonic() - began < DEADLINE + MARGIN
    assert isinstance(failed.value, EndpointFailed)
    assert credentials.RENEWAL_LEASE.total_seconds() > credentials.LONGEST_RENEWAL_SECONDS


@pytest.mark.django_db
def test_answers_that_drip_open_the_circuit(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "LONGEST_CALL_SECONDS", 0.2)
    server.manner = MANNERS["dripping body"]
    for key in "abcdef":
        jobs.NewJob(KIND, key=key, lane=LaneName("wms:north"), subject=Subject(key)).enqueue()
    acts.extend([lambda _: call(server)] * 6)
    drain()
    acts.clear()
    assert Lane.objects.get(name="wms:north").circuit == Circuit.OPEN
    assert Alert.objects.get(kind="circuit_open").subject == "wms:north"
    assert set(JobAttempt.objects.values_list("outcome", flat=True)) == {"transient"}


@pytest.mark.parametrize("changes", [False, True], ids=["looking", "changing"])
def test_a_run_whose_time_is_up_inside_a_call_is_the_endpoint_s_failure(
    server: Server, changes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "LONGEST_CALL_SECONDS", 10.0)
    server.manner = MANNERS["dripping body"]

    def time_is_up(*_: object) -> None:
        raise SoftTimeLimitExceeded

    before = signal.signal(signal.SIGALRM, time_is_up)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(Transient) as failed:
            call(server, changes=changes)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert type(failed.value) is (AnswerLost if changes else EndpointFailed)
