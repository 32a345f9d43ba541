from __future__ import annotations

import importlib
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def nothing_to_act() -> Iterator[None]:
    """No test inherits what another left undone."""
    acting = importlib.import_module("tests.ops.acting")
    acting.acts.clear()
    yield
    acting.acts.clear()
