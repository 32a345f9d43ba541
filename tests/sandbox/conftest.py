"""The sandbox as a subprocess, an ear for its deliveries, and the two clients the tests speak with."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.sandbox.clients import SHOP, ShopClient, WmsClient


class Ear:
    """A receiver of webhooks and callbacks; answers with the next status of `answers`, then 200."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.answers: list[int] = []
        self.condition = threading.Condition()
        ear = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with ear.condition:
                    status = ear.answers.pop(0) if ear.answers else 200
                    headers = {name.lower(): value for name, value in self.headers.items()}
                    ear.heard.append({"headers": headers, "raw": body, "status": status})
                    ear.condition.notify_all()
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
        """What was heard about one webhook topic or callback type."""
        return [each for each in self.heard if topic in (each["headers"].get("x-shopify-topic"), kind(each))]

    def wait(self, topic: str, count: int = 1, seconds: float = 5.0) -> list[dict[str, Any]]:
        """Waits until so many of them were heard."""
        with self.condition:
            assert self.condition.wait_for(lambda: len(self.of(topic)) >= count, seconds), f"heard no {topic}"
            return self.of(topic)


def kind(each: dict[str, Any]) -> str | None:
    """The type of a WMS callback."""
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
def ear() -> Iterator[Ear]:
    ear = Ear()
    yield ear
    ear.server.shutdown()
    ear.server.server_close()


@pytest.fixture
def shop(addresses: dict[str, str], ear: Ear) -> ShopClient:
    """One shop, two locations: a tee (201), a mug (202), a gift card (203), a poster only at the second one (204)."""
    client = ShopClient(addresses["shopify"])
    client.control("POST", "reset")
    client.control("POST", "shops", {**SHOP, "webhook_url": ear.url})
    return client


@pytest.fixture
def wms(addresses: dict[str, str], ear: Ear) -> WmsClient:
    """An empty WMS with the connection `north`: warehouse BER1 with 50 ITEM-1 and 5 ITEM-2."""
    client = WmsClient(addresses["wms"])
    client.control("POST", "reset")
    client.connect(callback_url=ear.url)
    return client
