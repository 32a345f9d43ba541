from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture
def post(scene: Any, client: Any) -> Iterator[Any]:
    """The webhooks of the scene's orders, see tests.fulfillment.notices.post."""
    yield importlib.import_module("tests.fulfillment.notices.post").Post(scene, client)
    scene.shopify.post("/settings", {"deliver": True})
