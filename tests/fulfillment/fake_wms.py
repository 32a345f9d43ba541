"""A WMS in memory that speaks the generic REST contract: it loses answers, hangs, is late, and doubles on a blind try.

It stands where the pooled HTTP session stands, so the adapter and the judgement of its answers are the real ones.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import requests

from ops.net import http
from tests import workers
from wms.adapters.base import Capability

Json = dict[str, Any]
BEFORE = ("unreachable", "429", "503", "timeout_before", "reset_before", "422", "late")
"""What can go wrong before a call has an effect (`late`: it has, but only after its time-out)."""
AFTER = ("timeout_after", "reset_after", "500_after", "truncated", "not_json", "not_the_contract")
"""And after it."""
WORKER = ("hangs_before", "hangs_after", "dies_before", "dies_late", "dies_after")
"""What can befall the worker that calls. `dies_late`: its request arrives after its death."""
GONE = ("packed", "shipped")


def answer(status: int, body: Json | bytes, **headers: str) -> requests.Response:
    """An answer as it comes off the wire."""
    response = requests.Response()
    response.status_code = status
    response.raw = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
    response.headers.update(headers)
    return response


@dataclass
class FakeWms:
    """`faults`: what goes wrong with the next calls, in turn. `on_its_way`: requests that come after their time-out."""

    can: frozenset[Capability]
    faults: list[str] = field(default_factory=list)
    orders: list[Json] = field(default_factory=list)
    on_its_way: list[Json] = field(default_factory=list)
    returns: set[str] = field(default_factory=set)

    @contextmanager
    def online(self) -> Iterator[None]:
        """Every call of the application goes to this WMS."""
        with mock.patch.object(http, "_session", return_value=self):
            yield

    def live(self) -> list[Json]:
        """Orders that were not cancelled."""
        return [order for order in self.orders if order["status"] != "cancelled"]

    def arrive(self) -> None:
        """What timed out on its way is carried out after all."""
        while self.on_its_way:
            self._create(self.on_its_way.pop())

    def request(self, method: str, url: str, *, json: Json, params: Any, **_: Any) -> requests.Response:
        """As `requests.Session.request`."""
        fault = self.faults.pop(0) if self.faults else "ok"
        self._before(fault, json if method == "POST" and url.endswith("/orders") else None)
        if fault in ("429", "503", "422"):
            return answer(int(fault), {"error": fault, "message": "no"}, **{"Retry-After": "5"})
        response = self._do(method, urlsplit(url).path.split("/")[2:], json, params)
        return self._after(fault, response)

    def _do(self, method: str, path: list[str], body: Json, params: Any) -> requests.Response:
        match method, path:
            case "POST", ["orders"]:
                return answer(201, self._create(body))
            case "GET", ["orders"]:
                wanted = params["externalOrderId"]
                found = [order for order in self.orders if order["externalOrderId"] == wanted]
                return answer(200, {"orders": found[-1:]})
            case "POST", ["orders", number, "cancel"]:
                return answer(200, self._cancel(self.order(number)))
            case "POST", ["returns"]:
                self.returns.add(body["wmsOrderId"])
                return answer(201, {"id": f"R{body['wmsOrderId']}"})
        raise AssertionError(f"{method} {path}")

    def order(self, number: str) -> Json:
        """The order with this id of the WMS's own."""
        return next(order for order in self.orders if order["id"] == number)

    def _create(self, body: Json) -> Json:
        if Capability.IDEMPOTENT_CREATE in self.can:
            for known in self.orders:
                if known["externalOrderId"] == body["externalOrderId"]:
                    return known
        self.orders.append({**body, "id": f"W{len(self.orders)}", "status": "accepted"})
        return self.orders[-1]

    def _cancel(self, order: Json) -> Json:
        if order["status"] == "accepted":
            order["status"] = "cancelled"
        asked = order["status"] == "picking"
        return {
            "cancelled": order["status"] == "cancelled",
            "status": "cancel_requested" if asked else order["status"],
        }

    def _before(self, fault: str, create: Json | None) -> None:
        if create and fault in ("late", "dies_late"):
            self.on_its_way.append(create)
        match fault:
            case "unreachable":
                raise requests.ConnectionError("NewConnectionError: refused")
            case "timeout_before" | "late":
                raise requests.ReadTimeout("timed out")
            case "reset_before":
                raise requests.ConnectionError("Connection reset by peer")
            case "hangs_before":
                workers.hang()
            case "dies_before" | "dies_late":
                workers.die()

    def _after(self, fault: str, response: requests.Response) -> requests.Response:
        match fault:
            case "timeout_after":
                raise requests.ReadTimeout("timed out")
            case "reset_after":
                raise requests.ConnectionError("Connection reset by peer")
            case "hangs_after":
                workers.hang()
            case "dies_after":
                workers.die()
            case "500_after":
                return answer(500, {"error": "oh"})
            case "truncated":
                return answer(201, b'{"id": "W')
            case "not_json":
                return answer(200, b"<html>Bad gateway</html>")
            case "not_the_contract":
                return answer(201, {"ok": True})
        return response
