from __future__ import annotations

import importlib
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def nothing_to_act() -> Iterator[None]:
    """No test inherits what another left undone."""
    job_stub = importlib.import_module("tests.ops.job_stub")
    job_stub.acts.clear()
    yield
    job_stub.acts.clear()
