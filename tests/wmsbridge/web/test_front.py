"""The front without a server: what it hands to the application, and what it refuses, in a loop of the test's own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from wmsbridge.web.bodies import FREE_BYTES, Bounds, Memory
from wmsbridge.web.front import Front, RequestPool
from wmsbridge.web.headers import FOR_MACHINES

KB = 1024
Answered = tuple[int, dict[str, str], bytes]


def _echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answers with what it was given."""
    start_response("200 OK", [("X-Path", environ["PATH_INFO"]), ("X-Length", environ["CONTENT_LENGTH"])])
    names = sorted(name for name in environ if name.startswith("HTTP_"))
    return [environ["wsgi.input"].read(), b"|", ",".join(f"{n}={environ[n]}" for n in names).encode()]


def _front(application: Any = _echo, **changes: Any) -> Front:
    bounds = changes.pop("bounds", Bounds(300 * KB, 0.3))
    memory = changes.pop("memory", Memory(1000 * KB))
    return Front(
        application, pools=(RequestPool("/healthz", 1, bounds, memory), RequestPool("", 2, bounds, memory))
    )


async def _ask(
    front: Front,
    *chunks: bytes,
    headers: Iterable[tuple[bytes, bytes]] = (),
    path: str = "/a",
    pause: float = 0.0,
) -> Answered:
    """One request whose body comes in these chunks, with a pause before each."""
    waiting, sent = list(chunks), []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(pause)
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [*headers],
    }
    await front(scope, receive, send)
    names = {name.decode(): value.decode("latin-1") for name, value in sent[0]["headers"]}
    return sent[0]["status"], names, sent[1]["body"]


CHUNKED = [(b"transfer-encoding", b"chunked")]


def _length(count: int) -> list[tuple[bytes, bytes]]:
    return [(b"content-length", str(count).encode())]


def test_a_body_is_handed_on_whole_with_its_length() -> None:
    for headers in (CHUNKED, _length(6)):
        status, names, body = asyncio.run(_ask(_front(), b"ab", b"cd", b"ef", headers=headers))
        assert (status, names["x-length"], body[:7]) == (200, "6", b"abcdef|")


def test_a_path_keeps_its_bytes_and_headers_keep_their_names() -> None:
    headers = [(b"x-one", b"1"), (b"x_two", b"2"), (b"cookie", b"a=1"), (b"cookie", b"b=2"), (b"x-one", b"3")]
    _status, names, body = asyncio.run(_ask(_front(), headers=headers, path="/a%2Fb/%C3%A4"))
    assert names["x-path"] == "/a/b/\u00c3\u00a4"
    assert body == b"|HTTP_COOKIE=a=1; b=2,HTTP_X_ONE=1,3"


@pytest.mark.parametrize(
    ("headers", "chunks", "status"),
    [
        (_length(300 * KB + 1), [], 413),
        ([(b"content-length", b"9" * 5000)], [], 413),
        ([(b"content-length", b"-1")], [], 400),
        (CHUNKED, [b"x" * (200 * KB), b"x" * (101 * KB)], 413),
    ],
)
def test_what_is_too_large_is_refused_and_the_connection_ends(
    headers: list[tuple[bytes, bytes]], chunks: list[bytes], status: int
) -> None:
    found, names, _body = asyncio.run(_ask(_front(), *chunks, headers=headers))
    assert (found, names["connection"]) == (status, "close")


def test_a_drip_is_refused_when_its_time_is_over() -> None:
    began = time.monotonic()
    status, names, _body = asyncio.run(_ask(_front(), *[b"x"] * 1000, headers=CHUNKED, pause=0.02))
    assert (status, names["connection"]) == (408, "close")
    assert names["content-security-policy"] == FOR_MACHINES
    assert time.monotonic() - began < 3


def test_a_body_that_keeps_its_pace_may_take_longer() -> None:
    bounds = Bounds(300 * KB, 0.3, bytes_per_second=100 * KB)
    chunks = [b"x" * (10 * KB)] * 12
    status, *_ = asyncio.run(_ask(_front(bounds=bounds), *chunks, headers=CHUNKED, pause=0.05))
    assert status == 200


def test_large_bodies_share_a_bounded_memory_and_small_ones_always_fit() -> None:
    front = _front(memory=Memory(100 * KB), bounds=Bounds(300 * KB, 5))

    async def together() -> list[Answered]:
        asks = [
            _ask(front, b"x" * size, b"", headers=CHUNKED, pause=0.1)
            for size in [150 * KB, 150 * KB, FREE_BYTES]
        ]
        return await asyncio.gather(*asks)

    assert [status for status, *_ in asyncio.run(together())] == [200, 503, 200]
    assert asyncio.run(_ask(front, b"x" * (150 * KB), headers=CHUNKED))[0] == 200  # it was given back


def test_a_probe_is_answered_while_every_other_thread_is_busy() -> None:
    free = threading.Event()

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/healthz":
            free.wait(10)
        return _echo(environ, start_response)

    async def busy() -> tuple[int, int]:
        front = _front(application)
        held = [asyncio.create_task(_ask(front, path="/slow")) for _ in range(20)]
        await asyncio.sleep(0.1)
        probe, *_ = await asyncio.wait_for(_ask(front, path="/healthz"), 2)
        free.set()
        return probe, len(await asyncio.gather(*held))

    assert asyncio.run(busy()) == (200, 20)


def test_a_request_that_waited_too_long_for_a_thread_is_told_to_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wmsbridge.web.front.LONGEST_QUEUE_SECONDS", -1.0)
    status, names, _body = asyncio.run(_ask(_front()))
    assert (status, names["retry-after"]) == (503, "5")


def test_a_failing_application_is_an_error_of_this_request_only() -> None:
    def application(*_: Any) -> Iterable[bytes]:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        asyncio.run(_ask(_front(application)))
