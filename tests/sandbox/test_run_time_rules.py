"""The rules that Shopify's schema does not show and its servers enforce."""

import time

import pytest

from tests.sandbox.clients import DOMAIN, FULFILL, LEVEL, ORDER, SET, SHOP, ShopClient, gid

NO_KEY = SET.replace("@idempotent(key: $key)", "").replace(", $key: String!", "")
ACTIVATE = """
mutation($item: ID!, $at: ID!) { inventoryActivate(inventoryItemId: $item, locationId: $at) @idempotent(key: "a") {
  inventoryLevel { isActive } userErrors { message } } }
"""
FULL_MOVE = """
fragment Fields on FulfillmentOrder { id status requestStatus updatedAt assignedLocation { name location { id name } }
  lineItems(first: 5) { nodes { id totalQuantity remainingQuantity lineItem { id title quantity } } } }
mutation($id: ID!, $to: ID!) { fulfillmentOrderMove(id: $id, newLocationId: $to) {
  movedFulfillmentOrder { ...Fields } originalFulfillmentOrder { ...Fields } remainingFulfillmentOrder { ...Fields }
  userErrors { message } } }
"""
ORDERS = """
query($after: String, $query: String) { orders(first: 2, after: $after, sortKey: UPDATED_AT, query: $query) {
  nodes { id } pageInfo { hasNextPage endCursor } } }
"""
CANCEL = """
mutation($id: ID!) { orderCancel(orderId: $id, reason: CUSTOMER, restock: true) {
  job { done } orderCancelUserErrors { code message } } }
"""


def wanted(quantity: int, change_from: int | None = None, *, item: int = 301, location: int = 101) -> dict:
    ids = {"inventoryItemId": gid("InventoryItem", item), "locationId": gid("Location", location)}
    return {**ids, "quantity": quantity, "changeFromQuantity": change_from}


def without(element: dict, key: str) -> dict:
    return {name: value for name, value in element.items() if name != key}


def test_the_idempotent_directive_is_required(shop: ShopClient) -> None:
    given = {"name": "available", "reason": "correction", "quantities": [wanted(7)]}
    answer = shop.graphql(NO_KEY, {"input": given})
    assert answer["data"] == {"inventorySetQuantities": None}
    assert (
        answer["errors"][0]["message"]
        == "The @idempotent directive is required for this mutation but was not provided."
    )
    assert answer["errors"][0]["extensions"] == {"code": "BAD_REQUEST"}
    assert shop.level(301, 101)["available"] == 50


def test_change_from_quantity_must_be_there_even_if_null(shop: ShopClient) -> None:
    answer = shop.set([without(wanted(7), "changeFromQuantity")])
    assert (
        answer["errors"][0]["message"]
        == "InventoryQuantityInput must include the following argument: changeFromQuantity."
    )
    assert answer["errors"][0]["extensions"]["code"] == "INVALID_FIELD_ARGUMENTS"
    assert shop.set([wanted(7, None)])["data"]["inventorySetQuantities"]["userErrors"] == []
    assert shop.level(301, 101)["available"] == 7


def test_change_from_quantity_is_looked_for_in_literals_too(shop: ShopClient) -> None:
    ids = 'inventoryItemId: "gid://shopify/InventoryItem/301", locationId: "gid://shopify/Location/101"'
    head = 'mutation { inventorySetQuantities(input: {name: "available", reason: "correction", quantities: [{'
    tail = '}]}) @idempotent(key: "x") { userErrors { code } } }'
    assert "errors" in shop.graphql(f"{head}{ids}, quantity: 1{tail}")
    assert "errors" not in shop.graphql(f"{head}{ids}, quantity: 1, changeFromQuantity: null{tail}")


def test_a_stale_value_is_refused_with_its_index(shop: ShopClient) -> None:
    result = shop.set([wanted(7, 50), wanted(3, 999, item=302)])["data"]["inventorySetQuantities"]
    assert result["inventoryAdjustmentGroup"] is None
    [error] = result["userErrors"]
    assert (error["code"], error["field"][:3]) == ("CHANGE_FROM_QUANTITY_STALE", ["input", "quantities", "1"])
    assert shop.level(301, 101)["available"] == 50


def test_the_same_key_replays_the_first_result(shop: ShopClient) -> None:
    first = shop.set([wanted(7, 50)], key="same")
    again = shop.set([wanted(7, 50)], key="same")
    assert first["data"] == again["data"]
    other = shop.set([wanted(8, 7)], key="same")["data"]["inventorySetQuantities"]
    assert other["userErrors"][0]["code"] == "IDEMPOTENCY_KEY_PARAMETER_MISMATCH"
    assert [each["replayed"] for each in shop.books()["mutations"]] == [False, True, True]
    assert shop.level(301, 101)["available"] == 7


def test_the_directive_does_nothing_where_shopify_does_not_support_it(shop: ShopClient) -> None:
    [each] = shop.routed(shop.place((201, 2)))
    line = each["lineItems"]["nodes"][0]["id"]
    group = {"fulfillmentOrderId": each["id"], "fulfillmentOrderLineItems": [{"id": line, "quantity": 1}]}
    keyed = FULFILL.replace(
        "(fulfillment: $fulfillment)", '(fulfillment: $fulfillment) @idempotent(key: "f")'
    )
    for _ in range(2):
        shop.data(keyed, {"fulfillment": {"lineItemsByFulfillmentOrder": [group]}})
    assert len(shop.books()["orders"][0]["fulfillments"]) == 2


def test_at_most_250_elements(shop: ShopClient) -> None:
    answer = shop.set([wanted(1)] * 251)
    assert (
        answer["errors"][0]["message"]
        == "The input array size of 251 is greater than the maximum allowed of 250."
    )
    assert answer["errors"][0]["extensions"]["code"] == "MAX_INPUT_SIZE_EXCEEDED"


@pytest.mark.parametrize(
    ("elements", "code"),
    [
        ([wanted(1), wanted(2)], "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR"),
        ([wanted(1, item=999)], "INVALID_INVENTORY_ITEM"),
        ([wanted(1, location=999)], "INVALID_LOCATION"),
        ([wanted(2_000_000_000)], "INVALID_QUANTITY_TOO_HIGH"),
        ([wanted(1, item=303)], "NON_MUTABLE_INVENTORY_ITEM"),
    ],
)
def test_wrong_elements_have_their_codes(shop: ShopClient, elements: list, code: str) -> None:
    result = shop.set(elements)["data"]["inventorySetQuantities"]
    assert [error["code"] for error in result["userErrors"]] == [code]
    assert shop.level(301, 101)["available"] == 50


def test_an_unstocked_item_depends_on_the_version(shop: ShopClient) -> None:
    older = shop.set([wanted(4, item=302, location=102)], version="2026-07")["data"]["inventorySetQuantities"]
    assert older["userErrors"][0]["code"] == "ITEM_NOT_STOCKED_AT_LOCATION"
    newer = shop.set([wanted(4, item=302, location=102)], key="k2")["data"]["inventorySetQuantities"]
    assert newer["userErrors"] == []
    assert shop.level(302, 102) == {"available": 4, "committed": 0, "on_hand": 4, "active": False}
    ids = {"item": gid("InventoryItem", 302), "at": gid("Location", 102)}
    assert shop.data(ACTIVATE, ids)["inventoryActivate"]["inventoryLevel"] == {"isActive": True}


def test_on_hand_counts_committed_units(shop: ShopClient) -> None:
    shop.place((201, 3))
    shop.set([wanted(20, 50)], name="on_hand")
    assert shop.level(301, 101) == {"available": 17, "committed": 3, "on_hand": 20, "active": True}


def test_every_request_is_validated_against_the_schema(shop: ShopClient) -> None:
    answer = shop.graphql("{ order(id: 5) { nonsense } }")
    assert "data" not in answer
    assert "nonsense" in answer["errors"][0]["message"]
    assert (
        shop.graphql(NO_KEY, {"input": {"ignoreCompareQuantity": True}})["errors"][0]["extensions"]["code"]
        == "INVALID_VARIABLE"
    )
    assert shop.books()["invalid"] == 1


def test_answers_report_their_cost(shop: ShopClient) -> None:
    order = shop.place((201, 1))
    shop.routed(order)
    cost = shop.graphql(ORDER, {"id": gid("Order", order["id"])})["extensions"]["cost"]
    assert 0 < cost["actualQueryCost"] < cost["requestedQueryCost"] < 1000
    assert cost["throttleStatus"]["maximumAvailable"] == 2000
    assert shop.set([wanted(1)])["extensions"]["cost"]["requestedQueryCost"] == 11


def test_requested_cost_is_what_was_recorded(shop: ShopClient) -> None:
    """The figures were recorded by shopify-draft-proxy for the same requests on 2026-04."""
    locations = shop.graphql("{ locations(first: 10) { nodes { id name } } }")["extensions"]["cost"]
    assert (locations["requestedQueryCost"], locations["actualQueryCost"]) == (6, 3)
    [each] = shop.routed(shop.place((201, 1)))
    cost = shop.graphql(FULL_MOVE, {"id": each["id"], "to": gid("Location", 102)})["extensions"]["cost"]
    assert (cost["requestedQueryCost"], cost["actualQueryCost"]) == (40, 22)


def test_over_budget_answers_are_throttled_with_http_200(shop: ShopClient) -> None:
    shop.control("POST", "shops", {**SHOP, "bucket": {"max": 20, "restore": 10}})
    variables = {"item": gid("InventoryItem", 301), "at": gid("Location", 101)}
    answers = [shop.post(LEVEL, variables) for _ in range(12)]
    assert {each.status_code for each in answers} == {200}
    refused = [each.json() for each in answers if "errors" in each.json()]
    assert refused[0]["errors"] == [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]
    assert refused[0]["extensions"]["cost"]["actualQueryCost"] is None
    assert shop.books()["throttled"] == len(refused)
    time.sleep(0.5)
    assert "data" in shop.graphql(LEVEL, variables)


def test_a_single_query_may_not_cost_more_than_1000(shop: ShopClient) -> None:
    shop.control("POST", "shops", {**SHOP, "cost_model": "linear"})
    answer = shop.graphql("{ orders(first: 250) { nodes { lineItems(first: 250) { nodes { id } } } } }")
    assert answer["errors"][0]["extensions"] == {"code": "MAX_COST_EXCEEDED", "cost": 63001, "maxCost": 1000}


def test_versions_fall_forward(shop: ShopClient) -> None:
    served = {
        asked: shop.post("{ shop { name } }", version=asked).headers["X-Shopify-API-Version"]
        for asked in ("2026-10", "2026-07", "2025-01")
    }
    assert served == {"2026-10": "2026-10", "2026-07": "2026-07", "2025-01": "2026-07"}


def test_tokens_are_granted_expire_and_are_revoked(shop: ShopClient) -> None:
    shop.control("POST", "shops", {**SHOP, "token_lifetime": 1})
    url = f"{shop.url}/{DOMAIN}/admin/oauth/access_token"
    given = {"client_id": "client", "client_secret": "client-secret", "grant_type": "client_credentials"}
    assert shop.session.post(url, json={**given, "client_secret": "wrong"}, timeout=5).status_code == 400
    granted = shop.session.post(url, data=given, timeout=5).json()
    assert granted["expires_in"] == 1
    assert shop.post("{ shop { name } }", token=granted["access_token"]).status_code == 200
    time.sleep(1.1)
    assert shop.post("{ shop { name } }", token=granted["access_token"]).status_code == 401
    shop.control("POST", f"shops/{DOMAIN}/token", {"access_token": None})
    assert shop.post("{ shop { name } }").status_code == 401


def test_rest_calls_fill_a_leaky_bucket(shop: ShopClient) -> None:
    shop.control("POST", "shops", {**SHOP, "rest_bucket": {"max": 2, "leak": 2}})
    headers = {"X-Shopify-Access-Token": "shpat_test"}
    answers = [
        shop.session.get(f"{shop.url}/{DOMAIN}/admin/api/2026-10/shop.json", headers=headers, timeout=5)
        for _ in range(3)
    ]
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert answers[0].headers["X-Shopify-Shop-Api-Call-Limit"] == "1/2"
    assert float(answers[2].headers["Retry-After"]) > 0


def test_orders_are_found_by_time_and_paged(shop: ShopClient) -> None:
    made = [shop.place((201, 1))["id"] for _ in range(5)]
    found, after = [], None
    while True:
        page = shop.data(
            ORDERS, {"after": after, "query": "updated_at:>='2026-01-01T00:00:00Z' AND status:open"}
        )["orders"]
        found += [int(each["id"].rsplit("/", 1)[1]) for each in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    assert found == made
    assert shop.data(ORDERS, {"query": "updated_at:>='2099-01-01T00:00:00Z'"})["orders"]["nodes"] == []


def test_nodes_are_read_together_and_unknown_ones_are_null(shop: ShopClient) -> None:
    order = shop.place((201, 1))
    ids = [gid("Order", order["id"]), gid("Order", 1), gid("ProductVariant", 201), gid("InventoryItem", 301)]
    query = (
        "query($ids: [ID!]!) { nodes(ids: $ids) { id ... on Order { name } ... on InventoryItem { sku } } }"
    )
    assert shop.data(query, {"ids": ids})["nodes"] == [
        {"id": ids[0], "name": order["name"]},
        None,
        {"id": ids[2]},
        {"id": ids[3], "sku": "TEE"},
    ]


def test_an_order_cancel_is_refused_once_something_was_sent(shop: ShopClient) -> None:
    order = shop.place((201, 1))
    [each] = shop.routed(order)
    shop.fulfill({"fulfillmentOrderId": each["id"]})
    result = shop.data(CANCEL, {"id": gid("Order", order["id"])})["orderCancel"]
    assert result["job"] is None
    assert "outstanding fulfillments" in result["orderCancelUserErrors"][0]["message"]


def test_a_search_that_lags_shows_orders_as_they_were(shop: ShopClient) -> None:
    search = "query($query: String) { orders(first: 9, query: $query) { nodes { id email displayFinancialStatus } } }"
    first = shop.place((201, 1), paid=False)
    before = shop.data(search)["orders"]["nodes"]
    shop.control("POST", f"shops/{DOMAIN}/search", {"lag": 0.5})
    shop.act(first, "pay")
    second = shop.place((201, 1))
    assert shop.data(search)["orders"]["nodes"] == before
    by_id = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Order { id displayFinancialStatus } } }"
    exact = shop.data(by_id, {"ids": [gid("Order", each["id"]) for each in (first, second)]})["nodes"]
    assert [each["displayFinancialStatus"] for each in exact] == ["PAID", "PAID"]
    time.sleep(0.6)
    assert len(shop.data(search)["orders"]["nodes"]) == 2
