"""The clients that the tests use to call the sandbox."""

import time
from collections.abc import Callable
from typing import Any

import requests

DOMAIN = "berlin.myshopify.com"
SHOP: dict[str, Any] = {
    "domain": DOMAIN,
    "access_token": "shpat_test",
    "client_id": "client",
    "client_secret": "client-secret",
    "webhook_secret": "hook-secret",
    "fo_delay": 0.0,
    "locations": [
        {"id": 101, "name": "Berlin", "country": "DE"},
        {"id": 102, "name": "Wien", "country": "AT"},
    ],
    "variants": [
        {
            "id": 201,
            "sku": "TEE",
            "title": "Tee",
            "inventory_item_id": 301,
            "product_id": 401,
            "stock": {"101": 50, "102": 20},
        },
        {"id": 202, "sku": "MUG", "inventory_item_id": 302, "product_id": 402, "stock": {"101": 10}},
        {
            "id": 203,
            "sku": "GIFT",
            "inventory_item_id": 303,
            "requires_shipping": False,
            "is_gift_card": True,
            "tracked": False,
        },
        {"id": 204, "sku": "POSTER", "inventory_item_id": 304, "stock": {"102": 5}},
    ],
}
Json = dict[str, Any]

ORDER = """
query Order($id: ID!) { order(id: $id) {
  id name displayFulfillmentStatus displayFinancialStatus updatedAt cancelledAt
  lineItems(first: 50) { nodes { id sku quantity currentQuantity unfulfilledQuantity variant { id } } }
  fulfillments(first: 10) {
    id status trackingInfo { company number url } fulfillmentLineItems(first: 50) { nodes { quantity } } }
  fulfillmentOrders(first: 10) { nodes {
    id status fulfillAt supportedActions { action } deliveryMethod { methodType } fulfillmentHolds { id reason }
    assignedLocation { location { id } } destination { countryCode zip }
    lineItems(first: 50) { nodes { id totalQuantity remainingQuantity lineItem { id } } } } } } }
"""
FULFILL = """
mutation Fulfill($fulfillment: FulfillmentInput!) { fulfillmentCreate(fulfillment: $fulfillment) {
  fulfillment { id status trackingInfo { company number } } userErrors { field message } } }
"""
MOVE = """
mutation Move($id: ID!, $to: ID!, $lines: [FulfillmentOrderLineItemInput!]) {
  fulfillmentOrderMove(id: $id, newLocationId: $to, fulfillmentOrderLineItems: $lines) {
    movedFulfillmentOrder { id status } originalFulfillmentOrder { id status } remainingFulfillmentOrder { id status }
    userErrors { field message code } } }
"""
SET = """
mutation Set($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { id changes { name delta } } userErrors { field message code } } }
"""
LEVEL = """
query Level($item: ID!, $at: ID!) { inventoryItem(id: $item) { inventoryLevel(locationId: $at, includeInactive: true) {
  isActive quantities(names: ["available", "committed", "on_hand"]) { name quantity } } } }
"""


def gid(kind: str, number: object) -> str:
    return f"gid://shopify/{kind}/{number}"


def eventually(test: Callable[[], Any], seconds: float = 5.0) -> Any:
    """Calls a function until its result is truthy, and returns the result."""
    until = time.monotonic() + seconds
    while not (found := test()):
        assert time.monotonic() < until, "it never came"
        time.sleep(0.02)
    return found


class Client:
    """Keeps one connection to one server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()

    def control(self, method: str, path: str, body: object = None) -> Any:
        """Calls the control API. An error fails the test."""
        answer = self.session.request(method, f"{self.url}/_sandbox/{path}", json=body, timeout=10)
        assert answer.ok, answer.text
        return answer.json()

    def fault(self, match: str, fault: str, **options: object) -> None:
        self.control("POST", "faults", {"match": match, "fault": fault, **options})


class ShopClient(Client):
    """Calls the simulated Shopify as the app and as the merchant."""

    def post(
        self, query: str, variables: Json | None = None, *, version: str = "2026-10", **options: Any
    ) -> requests.Response:
        headers = {"X-Shopify-Access-Token": options.pop("token", "shpat_test")}
        url = f"{self.url}/{DOMAIN}/admin/api/{version}/graphql.json"
        return self.session.post(
            url, json={"query": query, "variables": variables or {}}, headers=headers, timeout=10, **options
        )

    def graphql(self, query: str, variables: Json | None = None, **options: Any) -> Json:
        answer: Json = self.post(query, variables, **options).json()
        return answer

    def data(self, query: str, variables: Json | None = None) -> Json:
        """Returns the data of a request that must succeed."""
        answer = self.graphql(query, variables)
        assert "errors" not in answer, answer["errors"]
        data: Json = answer["data"]
        return data

    def place(self, *lines: tuple[int, int], **spec: object) -> Json:
        """Places an order of the given (variant, quantity) pairs."""
        wanted = [{"variant_id": variant, "quantity": quantity} for variant, quantity in lines]
        made: Json = self.control("POST", f"shops/{DOMAIN}/orders", {"lines": wanted, **spec})
        return made

    def act(self, order: Json, action: str, **body: object) -> Json:
        made: Json = self.control("POST", f"shops/{DOMAIN}/orders/{order['id']}/{action}", body)
        return made

    def order(self, order: Json) -> Json:
        found: Json = self.data(ORDER, {"id": gid("Order", order["id"])})["order"]
        return found

    def fulfillment_orders(self, order: Json) -> list[Json]:
        found: list[Json] = self.order(order)["fulfillmentOrders"]["nodes"]
        return found

    def routed(self, order: Json) -> list[Json]:
        """Waits until the fulfilment orders are visible, and returns them."""
        found: list[Json] = eventually(lambda: self.fulfillment_orders(order))
        return found

    def fulfill(self, *groups: Json, **more: object) -> Json:
        given = {"lineItemsByFulfillmentOrder": list(groups), **more}
        result: Json = self.data(FULFILL, {"fulfillment": given})["fulfillmentCreate"]
        return result

    def set(
        self, quantities: list[Json], *, key: str = "k1", name: str = "available", **options: Any
    ) -> Json:
        given = {"name": name, "reason": "correction", "quantities": quantities}
        return self.graphql(SET, {"input": given, "key": key}, **options)

    def level(self, item: int, location: int) -> Json:
        """Returns the quantities by name, and `active`. Fails when the item was never stocked there."""
        found = self.data(LEVEL, {"item": gid("InventoryItem", item), "at": gid("Location", location)})
        level = found["inventoryItem"]["inventoryLevel"]
        return {each["name"]: each["quantity"] for each in level["quantities"]} | {
            "active": level["isActive"]
        }

    def books(self) -> Json:
        books: Json = self.control("GET", "books")["shops"][DOMAIN]
        return books


class WmsClient(Client):
    """Calls the simulated WMS as the app and as the warehouse."""

    def connect(self, **options: object) -> None:
        stock = {"ITEM-1": 50, "ITEM-2": 5}
        base = {
            "slug": "north",
            "token": "wtok",
            "callback_secret": "cb",
            "warehouses": [{"code": "BER1", "stock": stock}],
        }
        self.control("POST", "connections", base | options)

    def call(
        self, method: str, path: str, body: object = None, *, key: str | None = None, **options: Any
    ) -> requests.Response:
        headers = {"Authorization": "Bearer wtok", **({"Idempotency-Key": key} if key else {})}
        return self.session.request(
            method, f"{self.url}/north/{path}", json=body, headers=headers, timeout=10, **options
        )

    def create(
        self, external: str = "a:1", units: int = 2, *, key: str | None = None, **options: Any
    ) -> requests.Response:
        lines = [{"wmsItemCode": "ITEM-1", "quantity": units, "externalLineId": "l1"}]
        body = {"externalOrderId": external, "externalRef": "#1", "warehouseCode": "BER1", "lineItems": lines}
        return self.call(
            "POST", "orders", {**body, "shippingAddress": {}, "shippingMethod": "std"}, key=key, **options
        )

    def act(self, order_id: str, action: str, **body: object) -> Json:
        made: Json = self.control("POST", f"connections/north/orders/{order_id}/{action}", body)
        return made

    def books(self) -> Json:
        books: Json = self.control("GET", "books")["connections"]["north"]
        return books
