"""Application modules are named as text: this file is read before the settings can be."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import pytest
import responses


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process remembers between calls, forgotten."""
    monkeypatch.setattr("shops.client._told", set())
    monkeypatch.setattr("shops.budget._local_buckets", {})
    monkeypatch.setattr("ops.redis._quiet_until", 0.0)


@pytest.fixture
def http() -> Iterator[responses.RequestsMock]:
    """Every HTTP call of the application is answered by what the test registers; an unexpected one fails."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def calls_allowed(db: None) -> Iterator[None]:
    """The test's own transaction is not the application's: calls inside it are no bug."""
    connection = importlib.import_module("django.db").connection
    connection.call_in_transaction_allowed = True
    yield
    connection.call_in_transaction_allowed = False
