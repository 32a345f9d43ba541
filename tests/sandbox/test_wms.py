"""The simulated WMS keeps the generic REST contract."""

import base64
import hashlib
import hmac
import json

import pytest

from tests.sandbox.clients import WmsClient, eventually
from tests.sandbox.conftest import Receiver


def stock(wms: WmsClient, item: str = "ITEM-1") -> tuple[int, int]:
    [level] = [each for each in wms.books()["stock"] if each["item"] == item]
    return level["on_hand"], level["allocated"]


def data(receiver: Receiver, kind: str, index: int = -1) -> dict:
    return json.loads(receiver.wait(kind)[index]["raw"])["data"]


def test_an_order_is_taken_in_and_allocates_stock(wms: WmsClient) -> None:
    answer = wms.create(units=2)
    assert (answer.status_code, answer.json()["status"]) == (201, "accepted")
    assert stock(wms) == (50, 2)
    [found] = wms.call("GET", "orders", params={"externalOrderId": "a:1"}).json()["orders"]
    assert found == {"id": answer.json()["id"], "status": "accepted", "externalOrderId": "a:1"}


def test_key_and_external_id_make_it_once(wms: WmsClient) -> None:
    first = wms.create(key="k").json()
    assert wms.create(key="k").status_code == 200
    assert wms.create(key="other").json()["id"] == first["id"]
    assert wms.create("a:2", key="k").status_code == 409
    books = wms.books()
    assert (books["creates"], books["create_calls"], books["duplicates"]) == (
        {"a:1": 1},
        {"a:1": 3, "a:2": 1},
        [],
    )


def test_without_idempotency_a_second_try_is_a_second_order(wms: WmsClient) -> None:
    wms.connect(idempotency=False, lookup=False)
    assert [wms.create(key="k").status_code for _ in range(2)] == [201, 201]
    assert wms.call("GET", "orders", params={"externalOrderId": "a:1"}).status_code == 404
    assert wms.books()["duplicates"] == ["a:1"]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"warehouseCode": "X"}, "unknown_warehouse"),
        ({"lineItems": [{"wmsItemCode": "X", "quantity": 1}]}, "unknown_item"),
        ({"lineItems": []}, "invalid"),
    ],
)
def test_what_it_cannot_take_is_refused(wms: WmsClient, change: dict, error: str) -> None:
    lines = [{"wmsItemCode": "ITEM-1", "quantity": 1}]
    answer = wms.call(
        "POST", "orders", {"externalOrderId": "a:1", "warehouseCode": "BER1", "lineItems": lines, **change}
    )
    assert (answer.status_code, answer.json()["error"]) == (422, error)
    assert wms.books()["orders"] == []


def test_a_wrong_token_is_refused(wms: WmsClient) -> None:
    answer = wms.session.get(f"{wms.url}/north/inventory", headers={"Authorization": "Bearer x"}, timeout=5)
    assert answer.status_code == 401


def test_cancelling_depends_on_the_phase(wms: WmsClient) -> None:
    ids = [wms.create(f"a:{index}").json()["id"] for index in range(4)]
    wms.act(ids[1], "pick")
    wms.act(ids[2], "pack")
    wms.act(ids[3], "ship")
    answers = [wms.call("POST", f"orders/{each}/cancel").json() for each in ids]
    assert [each["cancelled"] for each in answers] == [True, True, False, False]
    assert [each["status"] for each in answers] == ["cancelled", "cancelled", "packed", "shipped"]
    assert wms.call("POST", f"orders/{ids[0]}/cancel").json()["cancelled"]
    assert stock(wms) == (48, 2)


@pytest.mark.parametrize(
    ("action", "status"), [("confirm_cancel", "cancelled"), ("decline_cancel", "picking")]
)
def test_the_warehouse_may_be_asked_first(
    wms: WmsClient, receiver: Receiver, action: str, status: str
) -> None:
    wms.connect(cancel_in_picking="ask", callback_url=receiver.url)
    order = wms.create().json()["id"]
    wms.act(order, "pick")
    assert wms.call("POST", f"orders/{order}/cancel").json()["cancelled"] is False
    receiver.wait("order_status")
    wms.act(order, action, reason="so it is")
    receiver.wait("order_status", 2)
    assert data(receiver, "order_status") == {"wmsOrderId": order, "status": status, "reason": "so it is"}


def test_a_shipment_is_reported_and_leaves_the_stock(wms: WmsClient, receiver: Receiver) -> None:
    order = wms.create(units=3).json()["id"]
    wms.act(
        order,
        "ship",
        items=[{"wmsItemCode": "ITEM-1", "quantity": 1}],
        trackingNumber="T1",
        carrierCode="ups",
    )
    told = data(receiver, "shipment")
    assert (told["wmsOrderId"], told["trackingNumber"], told["carrierCode"]) == (order, "T1", "ups")
    assert told["shippedItems"] == [{"wmsItemCode": "ITEM-1", "quantityShipped": 1}]
    assert stock(wms) == (49, 2)
    assert data(receiver, "inventory")["eventType"] == "pick_confirm"
    assert wms.act(order, "ship")["status"] == "shipped"
    assert stock(wms) == (47, 0)


def test_callbacks_are_signed(wms: WmsClient, receiver: Receiver) -> None:
    wms.control("POST", "connections/north/stock", {"warehouse": "BER1", "item": "ITEM-1", "on_hand": 40})
    [each] = receiver.wait("inventory")
    digest = hmac.new(b"cb", each["raw"], hashlib.sha256).digest()
    assert each["headers"]["x-wms-signature"] == base64.b64encode(digest).decode()
    assert set(json.loads(each["raw"])) == {"eventId", "type", "occurredAt", "data"}


def test_stock_events_carry_a_rising_sequence(wms: WmsClient, receiver: Receiver) -> None:
    for on_hand in (40, 30):
        wms.control(
            "POST", "connections/north/stock", {"warehouse": "BER1", "item": "ITEM-1", "on_hand": on_hand}
        )
    received = sorted(
        (json.loads(each["raw"])["data"] for each in receiver.wait("inventory", 2)),
        key=lambda each: each["sequence"],
    )
    assert [each["onHandQuantity"] for each in received] == [40, 30]
    assert received[0]["sequence"] < received[1]["sequence"]


def test_an_update_is_possible_until_picking(wms: WmsClient) -> None:
    order = wms.create(units=2).json()["id"]
    body = {
        "externalOrderId": "a:1",
        "warehouseCode": "BER1",
        "lineItems": [{"wmsItemCode": "ITEM-1", "quantity": 1}],
    }
    assert wms.call("PUT", f"orders/{order}", body).status_code == 200
    assert stock(wms) == (50, 1)
    wms.act(order, "pick")
    answer = wms.call("PUT", f"orders/{order}", body)
    assert (answer.status_code, answer.json()["status"]) == (409, "picking")


def test_inventory_is_paged_by_the_time_of_change(wms: WmsClient) -> None:
    first = wms.call("GET", "inventory", params={"limit": 1}).json()
    second = wms.call("GET", "inventory", params={"limit": 1, "cursor": first["nextCursor"]}).json()
    assert second["nextCursor"] is None
    items = first["items"] + second["items"]
    assert {each["wmsItemCode"] for each in items} == {"ITEM-1", "ITEM-2"}
    newest = max(each["updatedAt"] for each in items)
    wms.create(units=1)
    [changed] = wms.call(
        "GET", "inventory", params={"updatedSince": newest.replace("Z", "1Z")[:26] + "Z"}
    ).json()["items"][-1:]
    assert (changed["wmsItemCode"], changed["availableQuantity"], changed["onHandQuantity"]) == (
        "ITEM-1",
        49,
        50,
    )


def test_a_return_is_received(wms: WmsClient, receiver: Receiver) -> None:
    order = wms.create(units=1).json()["id"]
    wms.act(order, "ship")
    body = {
        "externalOrderId": "a:1",
        "wmsOrderId": order,
        "reason": "r",
        "lineItems": [{"wmsItemCode": "ITEM-1", "quantity": 1}],
    }
    made = wms.call("POST", "returns", body, key="r1")
    assert made.status_code == 201
    assert wms.call("POST", "returns", body, key="r1").json() == made.json()
    wms.control("POST", f"connections/north/returns/{made.json()['id']}/receive", {})
    assert data(receiver, "return_receipt")["items"] == [
        {"wmsItemCode": "ITEM-1", "quantity": 1, "condition": "sellable"}
    ]
    assert stock(wms) == (50, 0)


def test_orders_can_move_by_themselves(wms: WmsClient, receiver: Receiver) -> None:
    wms.connect(
        callback_url=receiver.url,
        auto={"pick_after": 0.05, "pack_after": 0.05, "ship_after": 0.05, "parts": 2},
    )
    wms.create(units=3)
    eventually(lambda: wms.books()["orders"][0]["status"] == "shipped")
    assert [
        json.loads(each["raw"])["data"]["shippedItems"][0]["quantityShipped"]
        for each in receiver.wait("shipment", 2)
    ] == [1, 2]


def test_an_order_is_found_by_its_external_id(wms: WmsClient) -> None:
    wms.create("wms:order:berlin:5:1")
    assert (
        wms.control("POST", "connections/north/orders/pick?external=wms%3Aorder%3Aberlin%3A5%3A1")["status"]
        == "picking"
    )


def test_callbacks_that_come_before_the_callers_answer_are_counted(
    wms: WmsClient, receiver: Receiver
) -> None:
    wms.control("POST", "connections/north", {"auto": {"pick_after": 0.0, "pack_after": 60}})
    wms.fault("POST /north/orders", "slow", delay=0.5)
    wms.create("a:1")
    wms.create("a:2")
    receiver.wait("order_status", 2)
    counts = wms.control("GET", "counts")
    assert (counts["early"]["order_status"] >= 1, counts["moving"]) == (True, 2)


def test_a_shipment_is_reported_again_on_request(wms: WmsClient, receiver: Receiver) -> None:
    wms.act(wms.create().json()["id"], "ship")
    first = data(receiver, "shipment")
    wms.control("POST", f"connections/north/shipments/{first['wmsShipmentId']}/tell")
    assert json.loads(receiver.wait("shipment", 2)[-1]["raw"])["data"] == first


def test_what_is_spared_never_gets_lost(wms: WmsClient, receiver: Receiver) -> None:
    wms.control("POST", "settings", {"loss": 1.0, "spare": ["shipment"]})
    wms.act(wms.create().json()["id"], "ship")
    receiver.wait("shipment")
    assert wms.control("GET", "counts")["lost"] == {"inventory": 1}
