"""Addresses that may be called: as they are written, and as what they turn out to be when they are called."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from ops.errors import EndpointFailed, Transient
from ops.net import http, targets
from ops.net.targets import TargetRefused

PRIVATE = [
    "https://127.0.0.1/",
    "https://localhost/",
    "https://a.localhost/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f.1/",
    "https://10.1.2.3/",
    "https://192.168.1.1:8443/",
    "https://169.254.169.254/latest",
    "https://0.0.0.0/",
    "https://100.64.0.1/",
    "https://[::1]/",
    "https://[fe80::1]/",
    "https://[fd00::1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://[64:ff9b::a00:1]/",
    "https://[2002:a00:1::]/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
]
MALFORMED = [
    "",
    "http://wms.example.com/",
    "ftp://wms.example.com/",
    "javascript:alert(1)",
    "//wms.example.com/",
    "https:///path",
    "https://user@wms.example.com/",
    "https://user:password@wms.example.com/",
    "https://@wms.example.com/",
    "https://wms.example.com/?a=",
    "https://wms.example.com/?",
    "https://wms.example.com/#",
    "https://wms.example.com/#x",
    "https://wms.example.com:99999/",
    "https://wms.example.com:x/",
    "https://wms.example.com/a b",
    "https://wms.example.com\\@evil.example.com/",
    "https://wms.example.com/\r\nHost: x",
    "https://[::1/",
    "https://bücher.example.com/",
    "https://-/",
]


@pytest.mark.parametrize("url", PRIVATE + MALFORMED)
def test_it_is_refused(settings: Any, url: str) -> None:
    settings.ALLOW_PRIVATE_TARGETS = []
    with pytest.raises(TargetRefused):
        targets.check(url)


@pytest.mark.parametrize(
    "url", ["https://wms.example.com", "https://wms.example.com:8443/a/b", "https://8.8.8.8/"]
)
def test_public_https_addresses_are_taken(settings: Any, url: str) -> None:
    settings.ALLOW_PRIVATE_TARGETS = []
    targets.check(url)


def test_what_the_setting_names_may_be_private_and_plain(settings: Any) -> None:
    settings.ALLOW_PRIVATE_TARGETS = ["127.0.0.0/8", "wms.internal", "10.0.0.7"]
    for url in (
        "http://127.0.0.1:9001/x",
        "http://localhost:1/",
        "http://wms.internal/",
        "https://10.0.0.7/",
    ):
        targets.check(url)
    for url in ("https://10.0.0.8/", "http://other.internal/", "https://169.254.169.254/"):
        with pytest.raises(TargetRefused):
            targets.check(url)


class _Handler(BaseHTTPRequestHandler):
    hosts: list[str] = []

    def do_GET(self) -> None:
        self.hosts.append(self.headers["Host"])
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def port() -> Iterator[int]:
    _Handler.hosts = []
    server = HTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def _resolving(monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
    """Names resolve to these addresses, one answer after the other."""
    left, real = list(answers), socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **more: Any) -> Any:
        if host == "wms.example.com":
            host = left.pop(0)
        return real(host, port, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def _get(url: str) -> int:
    http._local.__dict__.clear()
    return http.send("GET", url, changes=False, what="a look", pool="test").status_code


def test_a_name_that_stands_for_a_private_address_is_not_called(
    settings: Any, monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    settings.ALLOW_PRIVATE_TARGETS = []
    _resolving(monkeypatch, "127.0.0.1")
    with pytest.raises(EndpointFailed, match="ALLOW_PRIVATE_TARGETS"):
        _get(f"https://wms.example.com:{port}/")
    assert _Handler.hosts == []


def test_a_name_is_asked_for_once_and_its_checked_address_called(
    settings: Any, monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    settings.ALLOW_PRIVATE_TARGETS = ["wms.example.com"]
    _resolving(monkeypatch, "127.0.0.1")  # a second question would fail the test
    assert _get(f"http://wms.example.com:{port}/") == 200
    assert _Handler.hosts == [f"wms.example.com:{port}"]


def test_without_the_setting_nothing_is_called_by_http(settings: Any, port: int) -> None:
    settings.ALLOW_PRIVATE_TARGETS = []
    with pytest.raises(Transient):
        _get(f"http://127.0.0.1:{port}/")
    assert _Handler.hosts == []
