"""Shopify and the WMSs in this process, where the pooled HTTP sessions stand: quick, plausible, and often hostile."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import requests

from ops.net import http
from tests.fuzz import hostile
from tests.fuzz.stage import ITEMS, KIT, LOCATIONS, MUG, TEE, UNMAPPED

Json = dict[str, Any]
LAST = {"hasNextPage": False, "endCursor": None}
STATUS = {"maximumAvailable": 20000, "currentlyAvailable": 19000, "restoreRate": 1000}
STATUSES = [
    200,
    201,
    204,
    206,
    301,
    304,
    400,
    402,
    404,
    406,
    408,
    409,
    418,
    422,
    423,
    429,
    430,
    500,
    502,
    503,
    504,
    599,
]
CODES = [
    "THROTTLED",
    "INTERNAL_SERVER_ERROR",
    "ACCESS_DENIED",
    "MAX_COST_EXCEEDED",
    "",
    "TIMEOUT",
    None,
    5,
    ["x"],
]
HEADERS: list[tuple[str, list[str]]] = [
    ("Retry-After", ["nan", "inf", "-1", "1e400", "2", "", "Wed, 21 Oct 2015 07:28:00 GMT", "9" * 400]),
    (
        "Date",
        [
            "",
            "nonsense",
            "Thu, 99 Nov 2026 99:99:99 GMT",
            "Thu, 26 Nov 9999 10:00:00 -9999",
            "Fri, 27 Nov 2026",
        ],
    ),
    ("X-Shopify-API-Version", ["2027-01", "", "x" * 500, "\xe9"]),
    ("X-Shopify-API-Deprecated-Reason", ["https://shopify.dev", "y" * 5000]),
    (
        "Content-Type",
        ["text/html", "application/json; charset=utf-16", "application/json; charset=klingon", ""],
    ),
]


class FarEnds:
    """`share`: of the answers, how many are spoilt."""

    def __init__(self, chance: random.Random, *, share: float) -> None:
        self.chance = chance
        self.share = share
        self.calls = 0

    @contextmanager
    def online(self) -> Iterator[None]:
        """Every call of the application is answered here."""
        with mock.patch.object(http, "_session", return_value=self):
            yield

    def request(
        self, method: str, url: str, *, json: Any = None, params: Any = None, **_: Any
    ) -> requests.Response:
        """As `requests.Session.request`."""
        self.calls += 1
        if self.chance.random() < 0.01:
            raise self.chance.choice(
                [
                    requests.ConnectTimeout("late"),
                    requests.ReadTimeout("late"),
                    requests.ConnectionError("NewConnectionError: refused"),
                    requests.ConnectionError("Connection reset by peer"),
                    requests.exceptions.ChunkedEncodingError("cut"),
                    requests.exceptions.InvalidHeader("strange"),
                ]
            )
        host, path = urlsplit(url).hostname or "", urlsplit(url).path
        if host == "wms.test":
            status, body = self._wms(method, path.split("/")[2:], json or {}, params or {})
        elif path.endswith("/access_token"):
            status, body = 200, {"access_token": "shpat_granted", "expires_in": 86399, "scope": "read_orders"}
        else:
            status, body = 200, self._shopify(host, json)
        return self._sent(status, body, sent=json)

    def _sent(self, status: int, body: Json, *, sent: Any) -> requests.Response:
        response, chance = requests.Response(), self.chance
        raw = json.dumps(body).encode()
        response.headers["Date"] = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
        if chance.random() < self.share:
            raw = hostile.encoded(hostile.spoilt(body, chance, times=chance.choice([1, 1, 1, 2, 3])), chance)
        if chance.random() < self.share / 4:
            status = chance.choice(STATUSES) if chance.random() < 0.97 else chance.choice([401, 403])
        if chance.random() < self.share / 4:
            name, values = chance.choice(HEADERS)
            response.headers[name] = chance.choice(values)
        response.status_code = status
        response.raw = io.BytesIO(raw)
        response.request = SimpleNamespace(body=json.dumps(sent).encode())  # type: ignore[assignment]
        return response

    # Shopify

    def _shopify(self, domain: str, sent: Json) -> Json:
        operation, variables = sent["operationName"], sent["variables"]
        act: Callable[[str, Json], Json] = getattr(self, f"_{operation}")
        body: Json = {"data": act(domain, variables), "extensions": {"cost": self._cost()}}
        if self.chance.random() < self.share / 6:
            code = self.chance.choice(CODES)
            error: Any = {"message": "oh", "extensions": {"code": code}, "path": ["x", 0]}
            body["errors"] = self.chance.choice(
                [[error], error, "oh", [error, error], ["oh"], {"base": ["oh"]}]
            )
            body["data"] = self.chance.choice([None, body["data"], {}])
        return body

    def _cost(self) -> Json:
        return {"requestedQueryCost": 10, "actualQueryCost": 10, "throttleStatus": STATUS}

    def _OrdersById(self, domain: str, variables: Json) -> Json:  # noqa: N802
        return {"nodes": [self._order(domain, each) for each in variables["ids"]]}

    def _order(self, domain: str, gid: str) -> Json | None:
        number, chance = int(gid.rpartition("/")[2]), self.chance
        if chance.random() < 0.05:
            return None
        address = {
            "name": "Ada",
            "address1": "Main 1",
            "city": "Berlin",
            "zip": "10115",
            "countryCodeV2": "DE",
        }
        lines = [self._line(number + 1, MUG)]
        lines += (
            [self._line(number + 11, chance.choice([TEE, KIT, UNMAPPED]))] if chance.random() < 0.3 else []
        )
        return {
            "id": gid,
            "name": f"#{number % 10000}",
            "processedAt": _now(),
            "updatedAt": _now(),
            "cancelledAt": _now() if chance.random() < 0.1 else None,
            "confirmed": True,
            "test": False,
            "displayFinancialStatus": chance.choice(["PAID", "PAID", "PAID", "REFUNDED", "PENDING"]),
            "email": "a@b.example",
            "phone": None,
            "shippingAddress": {
                **address,
                "company": None,
                "address2": None,
                "provinceCode": None,
                "phone": None,
            },
            "shippingLine": {"title": "Standard"},
            "lineItems": {"nodes": lines, "pageInfo": self._page_info()},
            "fulfillmentOrders": self._work(domain, number, lines),
        }

    def _line(self, number: int, variant: int) -> Json:
        return {
            "id": f"gid://shopify/LineItem/{number}",
            "sku": f"SKU-{variant}",
            "title": "A thing",
            "currentQuantity": self.chance.choice([0, 1, 2, 3, 4]),
            "requiresShipping": True,
            "isGiftCard": False,
            "variant": {"id": f"gid://shopify/ProductVariant/{variant}"}
            if self.chance.random() < 0.95
            else None,
        }

    def _work(self, domain: str, order: int, lines: list[Json]) -> Json:
        chance = self.chance
        location = (
            chance.choice([*LOCATIONS.get(domain, (101,)), 999])
            if chance.random() < 0.3
            else LOCATIONS[domain][0]
        )
        open_ = chance.choice([0, 1, 2, 3])
        node = {
            "id": f"gid://shopify/FulfillmentOrder/{order + 2}",
            "status": chance.choice(
                ["OPEN", "OPEN", "OPEN", "CLOSED", "ON_HOLD", "SCHEDULED", "IN_PROGRESS", "NEW"]
            ),
            "requestStatus": "UNSUBMITTED",
            "updatedAt": _now(),
            "fulfillAt": chance.choice([None, _now()]),
            "deliveryMethod": {"methodType": "SHIPPING"},
            "assignedLocation": {
                "location": {"id": f"gid://shopify/Location/{location}", "isFulfillmentService": False}
            },
            "fulfillmentHolds": [{"reason": "OTHER"}] if chance.random() < 0.1 else [],
            "lineItems": {
                "nodes": [
                    {
                        "id": f"gid://shopify/FulfillmentOrderLineItem/{order + 3 + at}",
                        "totalQuantity": max(open_, line["currentQuantity"]),
                        "remainingQuantity": open_,
                        "lineItem": {"id": line["id"]},
                    }
                    for at, line in enumerate(lines)
                ],
                "pageInfo": self._page_info(),
            },
        }
        return {"nodes": [node], "pageInfo": self._page_info()}

    def _page_info(self) -> Json:
        return {"hasNextPage": True, "endCursor": "next"} if self.chance.random() < 0.02 else LAST

    def _OrderLinesPage(self, _: str, variables: Json) -> Json:  # noqa: N802
        number = int(variables["id"].rpartition("/")[2])
        return {
            "order": {"lineItems": {"nodes": [self._line(number + 21, TEE)], "pageInfo": self._page_info()}}
        }

    def _FulfillmentOrdersPage(self, domain: str, variables: Json) -> Json:  # noqa: N802
        number = int(variables["id"].rpartition("/")[2])
        if self.chance.random() < 0.03:
            return {"order": None}
        return {"order": {"fulfillmentOrders": self._work(domain, number, [self._line(number + 1, MUG)])}}

    def _FulfillmentOrderLinesPage(self, domain: str, variables: Json) -> Json:  # noqa: N802
        number = int(variables["id"].rpartition("/")[2])
        work = self._work(domain, number - 2, [self._line(number - 1, MUG)])["nodes"][0]
        return {"fulfillmentOrder": {"lineItems": work["lineItems"]}}

    def _FulfillmentOrderOwners(self, _: str, variables: Json) -> Json:  # noqa: N802
        return {
            "nodes": [self._owner(each) if self.chance.random() < 0.9 else None for each in variables["ids"]]
        }

    def _owner(self, gid: str) -> Json:
        number = int(gid.rpartition("/")[2])
        return {
            "id": f"gid://shopify/FulfillmentOrder/{number}",
            "orderId": f"gid://shopify/Order/{max(1, number - 2)}",
        }

    def _OrderFulfillments(self, _: str, variables: Json) -> Json:  # noqa: N802
        number, chance = int(variables["id"].rpartition("/")[2]), self.chance
        made = {
            "id": f"gid://shopify/Fulfillment/{number + 9}",
            "status": chance.choice(["SUCCESS", "SUCCESS", "CANCELLED"]),
            "trackingInfo": [{"number": "TRK1"}],
            "fulfillmentLineItems": self._fulfilled(number),
        }
        return {"order": {"fulfillments": [made] if chance.random() < 0.6 else []}}

    def _fulfilled(self, order: int) -> Json:
        line = {"quantity": 2, "lineItem": {"id": f"gid://shopify/LineItem/{order + 1}"}}
        return {"nodes": [line], "pageInfo": self._page_info()}

    def _FulfillmentLinesPage(self, _: str, variables: Json) -> Json:  # noqa: N802
        number = int(variables["id"].rpartition("/")[2])
        return {"fulfillment": {"fulfillmentLineItems": self._fulfilled(max(1, number - 9))}}

    def _OrdersUpdatedSince(self, domain: str, _: Json) -> Json:  # noqa: N802
        number = 5_000_000_001_000 + self.chance.randrange(60)
        return {
            "orders": {
                "nodes": [{"id": f"gid://shopify/Order/{number}", "updatedAt": _now()}],
                "pageInfo": LAST,
            }
        }

    def _FulfillmentOrdersUpdatedSince(self, domain: str, _: Json) -> Json:  # noqa: N802
        number = 5_000_000_001_000 + self.chance.randrange(60)
        node = {
            "id": f"gid://shopify/FulfillmentOrder/{number + 2}",
            "orderId": f"gid://shopify/Order/{number}",
        }
        return {"fulfillmentOrders": {"nodes": [{**node, "updatedAt": _now()}], "pageInfo": LAST}}

    def _user_errors(self) -> list[Json]:
        if self.chance.random() < 0.85:
            return []
        field = self.chance.choice([None, ["input", "quantities", "0", "quantity"], ["x"], []])
        code = self.chance.choice(
            ["CHANGE_FROM_QUANTITY_STALE", "INVALID", None, "ITEM_NOT_STOCKED_AT_LOCATION"]
        )
        return [{"field": field, "message": "no", "code": code}]

    def _changed(self, name: str, **made: Any) -> Json:
        errors = self._user_errors()
        return {name: {**(dict.fromkeys(made) if errors else made), "userErrors": errors}}

    def _FulfillmentCreate(self, _: str, __: Json) -> Json:  # noqa: N802
        number = self.chance.choice(
            [self.chance.randrange(10**9), 5_000_000_001_008 + self.chance.randrange(60)]
        )
        return self._changed(
            "fulfillmentCreate", fulfillment={"id": f"gid://shopify/Fulfillment/{number + 1}"}
        )

    def _FulfillmentOrderMove(self, _: str, variables: Json) -> Json:  # noqa: N802
        return self._changed("fulfillmentOrderMove", movedFulfillmentOrder={"id": variables["id"]})

    def _FulfillmentTrackingUpdate(self, _: str, variables: Json) -> Json:  # noqa: N802
        made = {"id": variables["fulfillmentId"]}
        return self._changed("fulfillmentTrackingInfoUpdate", fulfillment=made)

    def _inventory_activate(self, _: str, __: Json) -> Json:
        return self._changed("inventoryActivate", inventoryLevel={"id": "gid://shopify/InventoryLevel/1?x=2"})

    def _inventory_set_quantities(self, _: str, __: Json) -> Json:
        group = {"id": "gid://shopify/InventoryAdjustmentGroup/1"}
        return self._changed("inventorySetQuantities", inventoryAdjustmentGroup=group)

    def _inventory_levels(self, _: str, variables: Json) -> Json:
        figures = [
            {"name": name, "quantity": self.chance.randrange(-5, 900)}
            for name in ("available", "committed", "on_hand")
        ]
        level = self.chance.choice([{"isActive": True, "quantities": figures}] * 5 + [None])
        return {
            "nodes": [{"id": each, "tracked": True, "inventoryLevel": level} for each in variables["ids"]]
        }

    def _variants_by_id(self, _: str, variables: Json) -> Json:
        numbers = [int(each.rpartition("/")[2]) for each in variables["ids"]]
        return {
            "nodes": [
                {
                    "id": f"gid://shopify/ProductVariant/{number}",
                    "sku": self.chance.choice(["SKU-MUG", "SKU-TEE", None, ""]),
                    "inventoryItem": {"id": f"gid://shopify/InventoryItem/{number + 1_000_000}"},
                }
                for number in numbers
            ]
        }

    def _shop(self, domain: str, _: Json) -> Json:
        return {"shop": {"id": "gid://shopify/Shop/1", "name": "Shop", "myshopifyDomain": domain}}

    def _webhook_subscriptions(self, _: str, __: Json) -> Json:
        node = {
            "id": "gid://shopify/WebhookSubscription/1",
            "topic": "ORDERS_PAID",
            "uri": "https://bridge.example.com/webhooks/shopify/",
            "format": "JSON",
            "filter": "",
            "includeFields": [],
            "apiVersion": {"handle": "2026-07"},
        }
        return {
            "webhookSubscriptions": {"nodes": [node, {**node, "topic": "CARTS_CREATE"}], "pageInfo": LAST}
        }

    def _webhook_subscription_create(self, _: str, __: Json) -> Json:
        return self._changed("webhookSubscriptionCreate", webhookSubscription={"id": "gid://shopify/W/1"})

    def _webhook_subscription_update(self, _: str, __: Json) -> Json:
        return self._changed("webhookSubscriptionUpdate", webhookSubscription={"id": "gid://shopify/W/1"})

    def _webhook_subscription_delete(self, _: str, __: Json) -> Json:
        return self._changed("webhookSubscriptionDelete", deletedWebhookSubscriptionId="gid://shopify/W/1")

    # The generic WMS contract

    def _wms(self, method: str, path: list[str], body: Json, params: Json) -> tuple[int, Json]:
        chance = self.chance
        status = chance.choice(
            ["accepted", "picking", "packed", "shipped", "cancelled", "rejected", "a new word"]
        )
        match method, path:
            case "POST", ["orders"]:
                return 201, {
                    "id": f"W-{body['externalOrderId'].rpartition('order:')[2]}",
                    "status": "accepted",
                }
            case "GET", ["orders"]:
                wanted = params["externalOrderId"]
                found = {
                    "id": f"W-{wanted.rpartition('order:')[2]}",
                    "status": status,
                    "externalOrderId": wanted,
                }
                return 200, {"orders": chance.choice([[], [found], [found, found]])}
            case "PUT", ["orders", _]:
                return chance.choice(
                    [(200, {"status": status}), (409, {"status": status, "reason": "too late"})]
                )
            case "POST", ["orders", _, "cancel"]:
                return 200, {
                    "cancelled": chance.choice([True, False]),
                    "status": status,
                    "reason": "asked a@b.example",
                }
            case "POST", ["returns"]:
                return 201, {"id": f"R-{body['wmsOrderId']}", "labelUrl": "https://labels.example/1"}
            case _:
                return 200, self._stock(chance)

    def _stock(self, chance: random.Random) -> Json:
        figures = {"availableQuantity": chance.randrange(2000), "onHandQuantity": chance.randrange(2000)}
        items = [
            {"wmsItemCode": item, "warehouseId": code, **figures, "updatedAt": _now()}
            for item in (*ITEMS, "NEW")
            for code in ("BER1", "LYO1", "PAR1")
        ]
        return {"items": items, "nextCursor": "c2" if chance.random() < 0.1 else None}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
