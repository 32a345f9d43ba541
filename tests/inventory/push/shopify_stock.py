"""A Shopify that knows stock only, behind the application's HTTP client: it sets, refuses, replays, and keeps books."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests
import responses

Answer = tuple[int, dict[str, str], str]


@dataclass
class Item:
    """One inventory item at the location; `active` None = never stocked there."""

    available: int = 0
    committed: int = 0
    tracked: bool = True
    active: bool | None = True

    def quantities(self) -> list[dict[str, Any]]:
        figures = {
            "available": self.available,
            "committed": self.committed,
            "on_hand": self.available + self.committed,
        }
        return [{"name": name, "quantity": quantity} for name, quantity in figures.items()]


@dataclass
class ShopifyStock:
    """`before` runs before a set is judged (a rival's move); `lose` answers are done but never arrive."""

    items: dict[int, Item]
    lose: int = 0
    code_of: dict[int, str] = field(default_factory=dict)  # inventory item -> error code
    before: Callable[[], None] | None = None
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    answered: dict[str, Any] = field(default_factory=dict)  # idempotency key -> first result

    def register(self, http: responses.RequestsMock, domain: str = "berlin.myshopify.com") -> None:
        http.add_callback("POST", f"https://{domain}/admin/api/2026-10/graphql.json", callback=self.answer)

    def answer(self, request: requests.PreparedRequest) -> Answer:
        sent = json.loads(request.body or b"{}")
        operation, variables = sent["operationName"], sent["variables"]
        self.calls.append((operation, variables))
        result = getattr(self, operation)(variables)
        if operation != "inventory_levels" and self.lose:
            self.lose -= 1
            raise requests.ReadTimeout("lost")
        return 200, {}, json.dumps({"data": result})

    def sets(self) -> list[dict[str, Any]]:
        return [variables for operation, variables in self.calls if operation == "inventory_set_quantities"]

    def inventory_levels(self, variables: dict[str, Any]) -> dict[str, Any]:
        assert len(variables["ids"]) <= 250
        return {"nodes": [self.node(gid) for gid in variables["ids"]]}

    def node(self, gid: str) -> dict[str, Any] | None:
        item = self.items.get(int(gid.rsplit("/", 1)[1]))
        if item is None:
            return None
        level = (
            {"isActive": item.active, "quantities": item.quantities()} if item.active is not None else None
        )
        return {"id": gid, "tracked": item.tracked, "inventoryLevel": level}

    def inventory_set_quantities(self, variables: dict[str, Any]) -> dict[str, Any]:
        if variables["key"] not in self.answered:
            self.answered[variables["key"]] = self.set(variables["input"])
        return {"inventorySetQuantities": self.answered[variables["key"]]}

    def set(self, given: dict[str, Any]) -> dict[str, Any]:
        assert len(given["quantities"]) <= 250
        if self.before:
            self.before()
            self.before = None
        errors = [
            {"code": code, "field": ["input", "quantities", str(index), "quantity"], "message": f"no: {code}"}
            for index, each in enumerate(given["quantities"])
            if (code := self.objection(each, given["name"]))
        ]
        if errors:
            return {"inventoryAdjustmentGroup": None, "userErrors": errors}
        for each in given["quantities"]:
            item = self.items[int(each["inventoryItemId"].rsplit("/", 1)[1])]
            item.available = each["quantity"] - (item.committed if given["name"] == "on_hand" else 0)
        return {
            "inventoryAdjustmentGroup": {"id": "gid://shopify/InventoryAdjustmentGroup/1"},
            "userErrors": [],
        }

    def objection(self, each: dict[str, Any], name: str) -> str | None:
        number = int(each["inventoryItemId"].rsplit("/", 1)[1])
        item = self.items[number]
        if number in self.code_of:
            return self.code_of[number]
        is_now = item.available + (item.committed if name == "on_hand" else 0)
        return "CHANGE_FROM_QUANTITY_STALE" if each["changeFromQuantity"] != is_now else None

    def inventory_activate(self, variables: dict[str, Any]) -> dict[str, Any]:
        number = int(variables["item"].rsplit("/", 1)[1])
        if number in self.code_of:
            return {
                "inventoryActivate": {
                    "inventoryLevel": None,
                    "userErrors": [{"field": None, "message": "no"}],
                }
            }
        self.items[number].active = True
        self.items[number].available = variables["available"]
        return {"inventoryActivate": {"inventoryLevel": {"id": "x"}, "userErrors": []}}
