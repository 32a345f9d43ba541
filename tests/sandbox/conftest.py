"""The sandbox as a subprocess, a receiver of its deliveries, and the two clients that the tests use."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.sandbox.clients import SHOP, ShopClient, WmsClient


class Receiver:
    """A receiver of webhooks and callbacks. It answers with the next status of `answers`, and then with 200."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.answers: list[int] = []
        self.condition = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with receiver.condition:
                    status = receiver.answers.pop(0) if receiver.answers else 200
                    headers = {name.lower(): value for name, value in self.headers.items()}
                    receiver.received.append({"headers": headers, "raw": body, "status": status})
                    receiver.condition.notify_all()
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hooks"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def of(self, topic: str) -> list[dict[str, Any]]:
        """Returns what was received of one webhook topic or callback type."""
        return [
            each for each in self.received if topic in (each["headers"].get("x-shopify-topic"), kind(each))
        ]

    def wait(self, topic: str, count: int = 1, seconds: float = 5.0) -> list[dict[str, Any]]:
        """Waits until `count` of them were received, and returns them."""
        with self.condition:
            assert self.condition.wait_for(lambda: len(self.of(topic)) >= count, seconds), (
                f"{topic} was not received"
            )
            return self.of(topic)


def kind(each: dict[str, Any]) -> str | None:
    """Returns the type of a WMS callback."""
    content = json.loads(each["raw"])
    return content.get("type") if isinstance(content, dict) else None


@pytest.fixture(scope="session")
def addresses() -> Iterator[dict[str, str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--shopify-port", "0", "--wms-port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    yield json.loads(process.stdout.readline())
    process.terminate()
    assert process.wait(timeout=5) == 0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


@pytest.fixture
def shop(addresses: dict[str, str], receiver: Receiver) -> ShopClient:
    """A shop with two locations: a tee (201), a mug (202), a gift card (203), and a poster (204) only at the second."""
    client = ShopClient(addresses["shopify"])
    client.control("POST", "reset")
    client.control("POST", "shops", {**SHOP, "webhook_url": receiver.url})
    return client


@pytest.fixture
def wms(addresses: dict[str, str], receiver: Receiver) -> WmsClient:
    """An empty WMS with the connection `north`: warehouse BER1 with 50 ITEM-1 and 5 ITEM-2."""
    client = WmsClient(addresses["wms"])
    client.control("POST", "reset")
    client.connect(callback_url=receiver.url)
    return client
