"""The server that ships, under hundreds of connections that send slowly, not at all, or too much."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import requests

from ops.doors.signatures import sign
from ops.models import Job
from tests.builders import make_connection, make_shop
from tests.wms.callbacks.test_events import envelope
from tests.wmsbridge.web.web_server import SHOP_SECRET, WMS_SECRET, exchange, web_server

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

EACH = 84
"""Six kinds of them: 504 connections."""

WATCHED_SECONDS, LONGEST = 14.0, 1.0


@pytest.fixture(scope="module")
def server(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with web_server(tmp_path_factory.mktemp("web")) as port:
        yield port


@pytest.fixture
def port(server: int) -> int:
    make_shop()
    make_connection()
    return server


HEAD = "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
KINDS: dict[str, tuple[bytes, bytes]] = {
    "bodies that drip at the door": (HEAD.format(path="/webhooks/shopify/").encode(), b"x"),
    "bodies that drip at the other door": (HEAD.format(path="/webhooks/wms/north/").encode(), b"x"),
    "bodies that stand still": (HEAD.format(path="/webhooks/shopify/").encode() + b"x", b""),
    "bodies that drip at the log-in": (HEAD.format(path="/admin/login/").encode(), b"x"),
    "heads that drip": (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: ", b"y"),
    "idle": (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", b""),
}
"""What is sent at once, and what is sent every second from then on."""


@dataclass
class Attack(threading.Thread):
    """Holds EACH connections of every kind open, for as long as the server lets them."""

    port: int
    over: threading.Event = field(default_factory=threading.Event)
    open: Counter[str] = field(default_factory=Counter)
    longest: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        """Until `over` is set."""
        asyncio.run(self._all())

    async def _all(self) -> None:
        await asyncio.gather(*(self._one(kind, *KINDS[kind]) for kind in KINDS for _ in range(EACH)))

    async def _one(self, kind: str, first: bytes, drip: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        began = time.monotonic()
        self.open[kind] += 1
        writer.write(first)
        while not self.over.is_set() and not reader.at_eof():
            try:
                writer.write(drip)
                await asyncio.wait_for(reader.read(65536), 1)
            except TimeoutError:
                continue
            except OSError:
                break
        self.open[kind] -= 1
        self.longest[kind] = max(self.longest[kind], round(time.monotonic() - began))
        writer.close()


def _webhook(port: int, secret: str = SHOP_SECRET) -> int:
    body = b'{"id": 5}'
    headers = {
        "X-Shopify-Topic": "orders/paid",
        "X-Shopify-Shop-Domain": "berlin.myshopify.com",
        "X-Shopify-Webhook-Id": str(uuid.uuid4()),
        "X-Shopify-Hmac-Sha256": sign(secret, body),
    }
    address = f"http://127.0.0.1:{port}/webhooks/shopify/"
    return requests.post(address, body, headers=headers, timeout=5).status_code


def _callback(port: int) -> int:
    body = json.dumps(envelope(eventId=str(uuid.uuid4()))).encode()
    address = f"http://127.0.0.1:{port}/webhooks/wms/north/"
    return requests.post(
        address, body, headers={"X-WMS-Signature": sign(WMS_SECRET, body)}, timeout=5
    ).status_code


LOOKS: dict[str, tuple[int, Callable[[int], int]]] = {
    "healthz": (200, lambda port: requests.get(f"http://127.0.0.1:{port}/healthz", timeout=5).status_code),
    "webhook": (200, _webhook),
    "forged": (401, lambda port: _webhook(port, "guess")),
    "callback": (200, _callback),
    "log-in": (
        200,
        lambda port: requests.get(f"http://127.0.0.1:{port}/admin/login/", timeout=5).status_code,
    ),
}


def test_five_hundred_slow_connections_hold_up_nobody_and_are_closed(port: int) -> None:
    for _status, look in LOOKS.values():
        look(port)  # the first page of a process loads templates
    attack = Attack(port)
    attack.start()
    until = time.monotonic() + WATCHED_SECONDS
    slowest: Counter[str] = Counter()
    most = 0
    while time.monotonic() < until:
        for name, (status, look) in LOOKS.items():
            began = time.monotonic()
            assert look(port) == status, name
            slowest[name] = max(slowest[name], time.monotonic() - began)  # type: ignore[assignment]
        most = max(most, attack.open.total())
        time.sleep(0.2)
    left = +attack.open
    attack.over.set()
    attack.join(5)
    assert most == EACH * len(KINDS)
    assert {name: seconds for name, seconds in slowest.items() if seconds >= LONGEST} == {}
    assert left == {}, attack.longest  # each had 10 s for its head or its body, or to say something new


def _head(path: str, *more: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: localhost", *more, "", ""]).encode()


def _chunks(body: bytes, size: int) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts) + b"0\r\n\r\n"


def test_a_body_in_chunks_is_read_and_its_signature_holds(port: int) -> None:
    body = json.dumps(envelope()).encode()
    signed = f"X-WMS-Signature: {sign(WMS_SECRET, body)}"
    head = _head("/webhooks/wms/north/", signed, "Transfer-Encoding: chunked")
    status, answer = exchange(port, head, _chunks(body, 7))
    assert (status, b'"stored"' in answer) == (200, True)
    assert Job.objects.get().key == "wms:north:e1"


def test_chunks_beyond_the_bound_are_refused_while_they_come(port: int) -> None:
    head = _head("/webhooks/wms/north/", "X-WMS-Signature: x", "Transfer-Encoding: chunked")
    status, _answer = exchange(
        port, head, _chunks(b"x" * (6 * 1024 * 1024), 65536)[: 5 * 1024 * 1024 + 70000]
    )
    assert status == 413


def test_chunks_that_never_end_are_refused_after_their_time(port: int) -> None:
    head = _head("/webhooks/wms/north/", "X-WMS-Signature: x", "Transfer-Encoding: chunked")
    began = time.monotonic()
    assert exchange(port, head, b"5\r\nhello\r\n")[0] == 408
    assert 8 < time.monotonic() - began < 14


def test_a_header_with_underscores_is_not_the_header_with_hyphens(port: int) -> None:
    body = b'{"id": 5}'
    names = ["Topic: orders/paid", "Webhook_Id: 1", "Shop_Domain: berlin.myshopify.com"]
    head = _head(
        "/webhooks/shopify/",
        *(f"X_Shopify_{name}" for name in names),
        f"X_Shopify_Hmac_Sha256: {sign(SHOP_SECRET, body)}",
        f"Content-Length: {len(body)}",
    )
    status, answer = exchange(port, head, body)
    assert (status, b"Shop-Domain is missing" in answer) == (400, True)
