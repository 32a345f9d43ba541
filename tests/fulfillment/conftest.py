from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def sandbox_servers() -> Iterator[Any]:
    """One sandbox process for the whole run."""
    with importlib.import_module("tests.world").sandbox_process() as sandbox:
        yield sandbox


@pytest.fixture
def scene(sandbox_servers: Any, settings: Any, db: None) -> Iterator[Any]:
    """A shop with two warehouses at two WMSs, at both ends of the wire; see tests.fulfillment.scene."""
    sandbox_servers.reset()
    settings.SHOPIFY_ADMIN_URL = sandbox_servers.shopify.root + "/{domain}"
    module = importlib.import_module("tests.fulfillment.scene")
    yield module.Scene(sandbox_servers)
    sandbox_servers.reset()
