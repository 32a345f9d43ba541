"""Application modules are named as text: this file is read before the settings can be."""

from __future__ import annotations

import importlib
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import responses


@pytest.fixture
def shopify() -> Iterator[responses.RequestsMock]:
    """Every HTTP call of the application is answered by what the test registers; an unexpected one fails."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def _redis_at(settings: Any, port: int) -> Iterator[None]:
    client = importlib.import_module("ops.redis").client
    settings.REDIS_URL = f"redis://127.0.0.1:{port}/0"
    client.cache_clear()
    yield
    client.cache_clear()


@pytest.fixture
def dead_redis(settings: Any) -> Iterator[None]:
    """Nobody listens where Redis should be."""
    yield from _redis_at(settings, 1)


@pytest.fixture
def silent_redis(settings: Any) -> Iterator[None]:
    """Something takes the connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield from _redis_at(settings, listener.getsockname()[1])
