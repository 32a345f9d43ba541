"""Client of the sandbox's control API: it does what customers, merchants and warehouse workers do in the real world."""

from __future__ import annotations

from typing import Any, cast

import requests

SECONDS = 10.0


class Sandbox:
    """Both simulated systems. Every call raises requests.RequestException if it fails or is answered with 400 or
    more."""

    def __init__(self, *, shopify: str, wms: str) -> None:
        self.shopify = shopify
        self.wms = wms
        self._session = requests.Session()
        self._session.trust_env = False

    def answers(self) -> bool:
        """Return True when both systems answer. Raises OSError while they do not (the errors of requests are
        OSErrors)."""
        self._get(self.shopify, "webhooks", limit=1)
        self._get(self.wms, "callbacks", limit=1)
        return True

    def create_shop(self, shop: dict[str, Any]) -> None:
        """Create a simulated shop."""
        self._post(self.shopify, "shops", shop)

    def create_connection(self, connection: dict[str, Any]) -> None:
        """Create a simulated account at a WMS."""
        self._post(self.wms, "connections", connection)

    def place(self, domain: str, order: dict[str, Any]) -> dict[str, Any]:
        """Place an order as a customer does. Returns the order as the books have it."""
        return self._post(self.shopify, f"shops/{domain}/orders", order)

    def order(self, domain: str, order_id: int, verb: str, body: dict[str, Any] | None = None) -> None:
        """Do something with an order as the merchant does: pay, cancel, hold or release it."""
        self._post(self.shopify, f"shops/{domain}/orders/{order_id}/{verb}", body or {})

    def work(self, slug: str, remote_id: str, verb: str, body: dict[str, Any] | None = None) -> None:
        """Do something with a WMS order as a warehouse worker does: pick, pack or ship it."""
        self._post(self.wms, f"connections/{slug}/orders/{remote_id}/{verb}", body or {})

    def receive_goods(self, slug: str, warehouse: str, item: str, quantity: int) -> None:
        """Put a delivery from a supplier on the shelf."""
        body = {"warehouse": warehouse, "item": item, "delta": quantity, "event_type": "receive"}
        self._post(self.wms, f"connections/{slug}/stock", body)

    def shopify_books(self) -> dict[str, Any]:
        """Return what really happened at the shops."""
        return cast(dict[str, Any], self._get(self.shopify, "books"))

    def wms_books(self) -> dict[str, Any]:
        """Return what really happened at the warehouses."""
        return cast(dict[str, Any], self._get(self.wms, "books"))

    def deliveries(self, limit: int = 5000) -> list[dict[str, Any]]:
        """Return the newest webhooks and callbacks, with the status and the seconds of each attempt."""
        webhooks = self._get(self.shopify, "webhooks", limit=limit)
        return [*webhooks, *self._get(self.wms, "callbacks", limit=limit)]

    def _post(self, server: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._session.post(f"{server}/_sandbox/{path}", json=body, timeout=SECONDS)
        if answer.status_code >= 400:
            raise requests.HTTPError(f"{path}: {answer.status_code} {answer.text[:300]}")
        return cast(dict[str, Any], answer.json())

    def _get(self, server: str, path: str, **parameters: Any) -> Any:
        answer = self._session.get(f"{server}/_sandbox/{path}", params=parameters, timeout=SECONDS)
        answer.raise_for_status()
        return answer.json()
