"""Fulfilment orders behave as at Shopify, with the recorded messages."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.sandbox.clients import DOMAIN, FULFILL, MOVE, SHOP, ShopClient, eventually, gid


def group(fulfillment_order: dict, *quantities: int) -> dict:
    """Returns the input for a whole fulfilment order, or for quantities of its lines."""
    lines = zip(fulfillment_order["lineItems"]["nodes"], quantities, strict=False)
    wanted = [{"id": line["id"], "quantity": quantity} for line, quantity in lines]
    return {
        "fulfillmentOrderId": fulfillment_order["id"],
        **({"fulfillmentOrderLineItems": wanted} if wanted else {}),
    }


def test_they_appear_some_time_after_the_order(shop: ShopClient) -> None:
    shop.control("POST", "shops", {**SHOP, "fo_delay": 0.3})
    order = shop.place((201, 2))
    assert shop.fulfillment_orders(order) == []
    assert [each["status"] for each in shop.routed(order)] == ["OPEN"]


def test_gift_cards_go_their_own_way(shop: ShopClient) -> None:
    methods = {each["deliveryMethod"]["methodType"] for each in shop.routed(shop.place((201, 1), (203, 1)))}
    assert methods == {"SHIPPING", "NONE"}


def test_the_location_is_the_first_that_has_everything(shop: ShopClient) -> None:
    [each] = shop.routed(shop.place((201, 1), (204, 1)))
    assert each["assignedLocation"]["location"]["id"] == gid("Location", 102)


def test_a_partial_fulfillment_leaves_the_rest_open(shop: ShopClient) -> None:
    order = shop.place((201, 3))
    [each] = shop.routed(order)
    first = shop.fulfill(group(each, 2), trackingInfo={"company": "DHL", "number": "T1"})
    assert first["fulfillment"]["trackingInfo"] == [{"company": "DHL", "number": "T1"}]
    after = shop.order(order)
    assert after["displayFulfillmentStatus"] == "PARTIALLY_FULFILLED"
    [rest] = after["fulfillmentOrders"]["nodes"]
    assert (rest["status"], rest["lineItems"]["nodes"][0]["remainingQuantity"]) == ("IN_PROGRESS", 1)
    assert shop.fulfill(group(rest))["userErrors"] == []
    assert shop.order(order)["displayFulfillmentStatus"] == "FULFILLED"
    assert shop.fulfillment_orders(order)[0]["status"] == "CLOSED"


def test_refusals_carry_the_recorded_messages(shop: ShopClient) -> None:
    [each] = shop.routed(shop.place((201, 1)))
    [other] = shop.routed(shop.place((201, 1)))
    unknown = {"fulfillmentOrderId": gid("FulfillmentOrder", 99)}
    wrong_line = {
        **group(each),
        "fulfillmentOrderLineItems": [{"id": gid("FulfillmentOrderLineItem", 9), "quantity": 1}],
    }

    def message(*groups: dict) -> str:
        return shop.fulfill(*groups)["userErrors"][0]["message"]

    assert message(unknown) == "Fulfillment order does not exist."
    assert message(wrong_line) == "Fulfillment order line item does not exist."
    assert message(group(each, 2)) == "Invalid fulfillment order line item quantity requested."
    assert message(group(each, 0)) == "Quantity must be greater than 0"
    assert message(group(each), group(other)).startswith(
        "All fulfillment orders must belong to the same order."
    )
    assert [order["fulfillments"] for order in shop.books()["orders"]] == [[], []]


def test_a_closed_one_cannot_be_fulfilled_again(shop: ShopClient) -> None:
    [each] = shop.routed(shop.place((201, 1)))
    shop.fulfill(group(each))
    number = each["id"].rsplit("/", 1)[1]
    assert shop.fulfill(group(each))["userErrors"] == [
        {
            "field": ["fulfillment"],
            "message": f"Fulfillment order {number} has an unfulfillable status= closed.",
        }
    ]


def test_one_call_is_for_one_location(shop: ShopClient) -> None:
    lines = [
        {"variant_id": 201, "quantity": 1, "location_id": 101},
        {"variant_id": 201, "quantity": 1, "location_id": 102},
    ]
    each, other = shop.routed(shop.control("POST", f"shops/{DOMAIN}/orders", {"lines": lines}))
    [error] = shop.fulfill(group(each), group(other))["userErrors"]
    assert error["message"] == (
        "All fulfillment orders must be assigned to a single location."
        " Multiple locations with ids [101, 102] were found."
    )


def test_a_malformed_id_is_a_top_level_error(shop: ShopClient) -> None:
    given = {
        "fulfillment": {"lineItemsByFulfillmentOrder": [{"fulfillmentOrderId": gid("FulfillmentOrder", 0)}]}
    }
    answer = shop.graphql(FULFILL, given)
    assert answer["data"] == {"fulfillmentCreate": None}
    assert answer["errors"][0]["extensions"]["code"] == "RESOURCE_NOT_FOUND"


def test_a_hold_stops_fulfillment_until_released(shop: ShopClient) -> None:
    order = shop.place((201, 1), hold="HIGH_RISK_OF_FRAUD")
    [each] = shop.routed(order)
    assert (each["status"], each["fulfillmentHolds"][0]["reason"]) == ("ON_HOLD", "HIGH_RISK_OF_FRAUD")
    assert "unfulfillable status= on_hold" in shop.fulfill(group(each))["userErrors"][0]["message"]
    shop.act(order, "release")
    assert shop.fulfill(group(each))["userErrors"] == []


def test_a_scheduled_one_opens_when_it_is_due(shop: ShopClient) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=1.5)).isoformat()
    order = shop.place((201, 1), fulfill_at=soon)
    assert shop.routed(order)[0]["status"] == "SCHEDULED"
    eventually(lambda: shop.fulfillment_orders(order)[0]["status"] == "OPEN")


def test_a_line_in_several_deliveries_has_a_fulfillment_order_for_each_date(shop: ShopClient) -> None:
    later = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    turns = [{"quantity": 1}, {"quantity": 2, "fulfill_at": later}, {"quantity": 1, "hold": "OTHER"}]
    line = {"variant_id": 201, "quantity": 4, "deliveries": turns}
    order = shop.control("POST", f"shops/{DOMAIN}/orders", {"lines": [line]})
    found = {each["status"]: each["lineItems"]["nodes"] for each in shop.routed(order)}
    assert {status: [line["totalQuantity"] for line in lines] for status, lines in found.items()} == {
        "OPEN": [1],
        "SCHEDULED": [2],
        "ON_HOLD": [1],
    }
    assert len({line["lineItem"]["id"] for lines in found.values() for line in lines}) == 1


def test_a_deleted_variant_leaves_the_line_its_sku(shop: ShopClient) -> None:
    order = shop.place((201, 1))
    shop.control("POST", f"shops/{DOMAIN}/variants/201/delete", {})
    [line] = shop.order(order)["lineItems"]["nodes"]
    assert (line["variant"], line["sku"], line["currentQuantity"]) == (None, "TEE", 1)
    assert shop.fulfill(group(shop.routed(order)[0]))["userErrors"] == []


def test_a_whole_move_keeps_the_id(shop: ShopClient) -> None:
    order = shop.place((201, 2))
    [each] = shop.routed(order)
    moved = shop.data(MOVE, {"id": each["id"], "to": gid("Location", 102)})["fulfillmentOrderMove"]
    assert (moved["movedFulfillmentOrder"]["id"], moved["remainingFulfillmentOrder"]) == (each["id"], None)
    assert shop.level(301, 101) == {"available": 50, "committed": 0, "on_hand": 50, "active": True}
    assert shop.level(301, 102) == {"available": 18, "committed": 2, "on_hand": 20, "active": True}


def test_a_partial_move_leaves_the_rest_in_a_new_one(shop: ShopClient) -> None:
    order = shop.place((201, 3))
    [each] = shop.routed(order)
    lines = [{"id": each["lineItems"]["nodes"][0]["id"], "quantity": 1}]
    moved = shop.data(MOVE, {"id": each["id"], "to": gid("Location", 102), "lines": lines})[
        "fulfillmentOrderMove"
    ]
    assert moved["remainingFulfillmentOrder"]["id"] != each["id"]
    where = {
        fo["assignedLocation"]["location"]["id"]: fo["lineItems"]["nodes"]
        for fo in shop.fulfillment_orders(order)
    }
    assert {at: lines[0]["remainingQuantity"] for at, lines in where.items()} == {
        gid("Location", 101): 2,
        gid("Location", 102): 1,
    }


def test_what_remains_of_a_partly_fulfilled_one_moves_into_a_new_one(shop: ShopClient) -> None:
    order = shop.place((201, 3))
    [each] = shop.routed(order)
    shop.fulfill(group(each, 1))
    moved = shop.data(MOVE, {"id": each["id"], "to": gid("Location", 102)})["fulfillmentOrderMove"]
    assert moved["originalFulfillmentOrder"] == {"id": each["id"], "status": "CLOSED"}
    assert moved["movedFulfillmentOrder"]["id"] != each["id"]
    assert shop.level(301, 102) == {"available": 18, "committed": 2, "on_hand": 20, "active": True}


@pytest.mark.parametrize(("variant", "location"), [(201, 999), (202, 102)])
def test_a_move_needs_a_location_that_stocks_the_item(shop: ShopClient, variant: int, location: int) -> None:
    [each] = shop.routed(shop.place((variant, 1)))
    moved = shop.data(MOVE, {"id": each["id"], "to": gid("Location", location)})["fulfillmentOrderMove"]
    assert moved["movedFulfillmentOrder"] is None
    assert moved["userErrors"][0]["field"] == ["newLocationId"]


def test_a_closed_one_cannot_move(shop: ShopClient) -> None:
    order = shop.place((201, 1))
    [each] = shop.routed(order)
    shop.act(order, "cancel")
    moved = shop.data(MOVE, {"id": each["id"], "to": gid("Location", 102)})["fulfillmentOrderMove"]
    assert moved["userErrors"] == [{"field": None, "message": "Cannot change location.", "code": None}]


def test_cancelling_an_order_closes_them_and_gives_stock_back(shop: ShopClient) -> None:
    order = shop.place((201, 2))
    shop.routed(order)
    assert shop.level(301, 101) == {"available": 48, "committed": 2, "on_hand": 50, "active": True}
    shop.act(order, "cancel")
    [each] = shop.fulfillment_orders(order)
    assert (each["status"], each["supportedActions"]) == ("CLOSED", [])
    assert shop.level(301, 101) == {"available": 50, "committed": 0, "on_hand": 50, "active": True}


def test_an_edit_shrinks_the_same_one_and_adds_a_new_one(shop: ShopClient) -> None:
    order = shop.place((201, 3))
    [each] = shop.routed(order)
    changes, additions = (
        [{"line_id": order["lines"][0]["id"], "quantity": 1}],
        [{"variant_id": 202, "quantity": 1}],
    )
    shop.act(order, "edit", changes=changes, additions=additions)
    after = eventually(lambda: shop.order(order) if len(shop.fulfillment_orders(order)) == 2 else None)
    tee, mug = after["lineItems"]["nodes"]
    assert (tee["quantity"], tee["currentQuantity"], mug["sku"]) == (3, 1, "MUG")
    same = next(fo for fo in after["fulfillmentOrders"]["nodes"] if fo["id"] == each["id"])
    assert [(line["totalQuantity"], line["remainingQuantity"]) for line in same["lineItems"]["nodes"]] == [
        (1, 1)
    ]


def test_a_cancelled_fulfillment_makes_new_work(shop: ShopClient) -> None:
    order = shop.place((201, 1))
    [each] = shop.routed(order)
    made = shop.fulfill(group(each))["fulfillment"]
    shop.data(
        "mutation($id: ID!) { fulfillmentCancel(id: $id) { fulfillment { status } userErrors { message } } }",
        {"id": made["id"]},
    )
    statuses = {fo["id"]: fo["status"] for fo in shop.fulfillment_orders(order)}
    assert statuses.pop(each["id"]) == "CLOSED"
    assert list(statuses.values()) == ["OPEN"]
