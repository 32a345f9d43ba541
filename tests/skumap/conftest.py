"""A shop whose variants the tests set, answering the one document that the SKU map sends."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
import responses
from django.db import connection

LockHeld = Callable[[str], AbstractContextManager[None]]


@dataclass
class Variants:
    """What Shopify has: variant -> (SKU, inventory item). `asked` collects the ids of each request."""

    known: dict[int, tuple[str | None, int]] = field(default_factory=dict)
    asked: list[list[int]] = field(default_factory=list)
    throttled: int = 0

    def answer(self, request: Any) -> tuple[int, dict[str, str], str]:
        """The GraphQL answer to `variants_by_id`."""
        if self.throttled:
            self.throttled -= 1
            return 429, {"Retry-After": "0.01"}, "{}"
        ids = [int(gid.rsplit("/", 1)[1]) for gid in json.loads(request.body)["variables"]["ids"]]
        self.asked.append(ids)
        return (
            200,
            {"X-Shopify-API-Version": "2026-10"},
            json.dumps({"data": {"nodes": [*map(self._node, ids)]}}),
        )

    def _node(self, variant: int) -> dict[str, Any] | None:
        if variant not in self.known:
            return None
        sku, item = self.known[variant]
        gid = "gid://shopify/"
        return {
            "id": f"{gid}ProductVariant/{variant}",
            "sku": sku,
            "inventoryItem": {"id": f"{gid}InventoryItem/{item}"},
        }


@pytest.fixture
def variants(db: None) -> Iterator[Variants]:
    """Shopify at berlin.myshopify.com."""
    shop = Variants()
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        url = "https://berlin.myshopify.com/admin/api/2026-10/graphql.json"
        mock.add_callback(responses.POST, url, callback=shop.answer)
        yield shop


@pytest.fixture
def lock_held(db: None) -> LockHeld:
    """Somebody else, on a connection of their own, who holds an advisory lock."""

    @contextmanager
    def held(name: str) -> Iterator[None]:
        with psycopg.connect(**connection.get_connection_params()) as other:
            other.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])
            yield
            other.rollback()

    return held
