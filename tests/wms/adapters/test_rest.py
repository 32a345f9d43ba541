"""The generic REST contract, call by call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
import responses

from ops.errors import (
    AccessRefused,
    AnswerLost,
    CredentialsUnusable,
    EndpointFailed,
    JobError,
    Permanent,
    Throttled,
    UnknownOutcome,
)
from ops.models import Alert
from tests.builders import make_connection
from tests.parked import is_parked, park
from wms.adapters import adapter_for, capabilities_of
from wms.adapters.base import (
    Adapter,
    Address,
    CancelAnswer,
    Capability,
    OrderLineRequest,
    OrderRequest,
    ReturnRequest,
    UpdateAnswer,
)
from wms.availability.warehouses import connection_changed
from wms.ids import ExternalId, RemoteOrderId
from wms.models import Connection
from wms.vocabulary.statuses import WmsStatus

ADDRESS_FIELDS = [
    "name",
    "company",
    "address1",
    "address2",
    "city",
    "province",
    "zip",
    "country",
    "phone",
    "email",
]
BASE = "http://wms.test/north"
ORDER = OrderRequest(
    external_id=ExternalId("wms:order:1:5:1"),
    external_ref="#1001",
    warehouse_code="BER1",
    lines=(OrderLineRequest("MUG", 2, "77"),),
    address=Address(name="Ada", address1="Weg 1", city="Berlin", zip="10115", country="DE"),
    shipping_method="Standard",
)
RETURN = ReturnRequest(
    ExternalId("wms:order:1:5:1"),
    RemoteOrderId("W1"),
    "cancelled too late",
    (OrderLineRequest("MUG", 1, "77"),),
)


def connection(**changes: Any) -> Connection:
    return Connection(slug="north", base_url=f"{BASE}/", token="wms-token", **changes)


@pytest.fixture
def adapter() -> Adapter:
    return adapter_for(connection())


@pytest.fixture
def wms() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


def sent(wms: responses.RequestsMock, index: int = 0) -> requests.PreparedRequest:
    request: requests.PreparedRequest = wms.calls[index].request
    return request


def test_create_sends_the_contract_with_the_external_id_as_key(adapter: Adapter, wms: Any) -> None:
    wms.post(f"{BASE}/orders", json={"id": 17, "status": "accepted"}, status=201)
    answer = adapter.create_order(ORDER)
    assert (answer.remote_id, answer.status, answer.raw_status) == ("17", WmsStatus.ACCEPTED, "accepted")
    request = sent(wms)
    assert request.headers["Authorization"] == "Bearer wms-token"
    assert request.headers["Idempotency-Key"] == ORDER.external_id
    body = json.loads(request.body or b"")
    assert body["externalOrderId"] == "wms:order:1:5:1"
    assert body["warehouseCode"] == "BER1"
    assert body["externalRef"] == "#1001"
    assert body["shippingMethod"] == "Standard"
    assert body["lineItems"] == [{"wmsItemCode": "MUG", "quantity": 2, "externalLineId": "77"}]
    assert list(body["shippingAddress"]) == ADDRESS_FIELDS


@pytest.mark.django_db
@pytest.mark.parametrize("token", ["tök€n", "wms\ntoken", "wms token"])
def test_a_stored_token_that_no_header_can_hold_parks_the_work_and_is_told(token: str) -> None:
    stored = make_connection(token=token)
    with pytest.raises(CredentialsUnusable) as refused:
        adapter_for(stored)
    assert refused.value.recheck()
    assert Alert.objects.get().kind == "secret_unreadable"
    stored.token = "right"
    stored.save()
    assert not refused.value.recheck()


def test_another_header_that_cannot_be_sent_is_no_outcome_to_be_unsure_of(adapter: Adapter) -> None:
    with pytest.raises(Permanent, match="the header Idempotency-Key"):
        adapter.cancel_order(RemoteOrderId("W1"), idempotency_key="wms:order:ü")


def test_the_same_order_is_sent_with_the_same_key_again(adapter: Adapter, wms: Any) -> None:
    wms.post(f"{BASE}/orders", json={"id": "W1", "status": "accepted"}, status=201)
    wms.post(f"{BASE}/orders", json={"id": "W1", "status": "picking"}, status=200)
    adapter.create_order(ORDER)
    assert adapter.create_order(ORDER).status is WmsStatus.PICKING
    assert sent(wms, 0).headers["Idempotency-Key"] == sent(wms, 1).headers["Idempotency-Key"]


FAILURES: list[tuple[dict[str, Any], type[JobError], type[JobError]]] = [
    ({"status": 400, "json": {"error": "bad", "message": "no"}}, Permanent, Permanent),
    ({"status": 404, "json": {"error": "not_found"}}, Permanent, Permanent),
    ({"status": 422, "body": "plain words"}, Permanent, Permanent),
    ({"status": 302, "headers": {"Location": "http://elsewhere.test/"}}, Permanent, Permanent),
    ({"status": 408, "json": {}}, AnswerLost, EndpointFailed),
    ({"status": 500, "json": {}}, AnswerLost, EndpointFailed),
    ({"status": 503, "json": {}}, AnswerLost, EndpointFailed),
    ({"status": 429, "headers": {"Retry-After": "7"}}, Throttled, Throttled),
    ({"status": 200, "body": "<html>proxy</html>"}, AnswerLost, EndpointFailed),
    ({"status": 200, "body": '{"id": "W1", "sta'}, AnswerLost, EndpointFailed),
    ({"status": 200, "json": ["W1"]}, AnswerLost, EndpointFailed),
    ({"status": 200, "json": {"unexpected": 1}}, UnknownOutcome, Permanent),
    ({"body": requests.exceptions.ReadTimeout()}, AnswerLost, EndpointFailed),
    ({"body": requests.exceptions.ConnectionError("reset")}, AnswerLost, EndpointFailed),
    ({"body": requests.exceptions.ConnectTimeout()}, EndpointFailed, EndpointFailed),
]


@pytest.mark.parametrize(("answer", "changing", "reading"), FAILURES)
def test_each_failure_is_one_of_our_errors(
    adapter: Adapter, wms: Any, answer: dict[str, Any], changing: type[JobError], reading: type[JobError]
) -> None:
    for method, path in (("POST", "orders"), ("GET", "orders")):
        wms.add(method, f"{BASE}/{path}", **answer)
    with pytest.raises(changing) as changed:
        adapter.create_order(ORDER)
    with pytest.raises(reading) as read:
        adapter.find_order(ORDER.external_id)
    assert (changed.type, read.type) == (changing, reading)


@pytest.mark.django_db
@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_park_the_work_until_they_are_changed(wms: Any, status: int) -> None:
    row = make_connection()
    wms.post(f"{BASE}/orders", status=status, json={})
    with pytest.raises(AccessRefused) as refused:
        adapter_for(row).create_order(ORDER)
    assert refused.value.on == (f"connection:{row.id}",)
    assert refused.value.recheck()
    waiting = park(f"connection:{row.id}")
    row.token = "new-token"
    row.save()
    connection_changed(row)
    assert not refused.value.recheck()
    assert not is_parked(waiting)
    assert Alert.objects.get().state == "closed"


def test_a_refusal_carries_the_vendors_words_on_one_line(adapter: Adapter, wms: Any) -> None:
    words = {"error": "unknown_item", "message": "MUG\nis not\tours " + "x" * 2000}
    wms.post(f"{BASE}/orders", status=422, json=words)
    with pytest.raises(Permanent, match="north answered 422: unknown_item: MUG is not ours x") as refused:
        adapter.create_order(ORDER)
    assert len(str(refused.value)) < 600
    assert "wms-token" not in str(refused.value)


def test_throttling_waits_as_long_as_it_is_told(adapter: Adapter, wms: Any) -> None:
    wms.post(f"{BASE}/orders", status=429, headers={"Retry-After": "7"})
    with pytest.raises(Throttled) as throttled:
        adapter.create_order(ORDER)
    assert throttled.value.wait == timedelta(seconds=7)


def test_an_order_is_found_by_its_external_id_only(adapter: Adapter, wms: Any) -> None:
    others = [{"id": "W0", "status": "shipped", "externalOrderId": "wms:order:1:5:10"}]
    ours = {"id": "W1", "status": "picking", "externalOrderId": ORDER.external_id}
    wms.get(f"{BASE}/orders", json={"orders": [*others, ours]})
    wms.get(f"{BASE}/orders", json={"orders": others})
    found = adapter.find_order(ORDER.external_id)
    assert found is not None
    assert (found.remote_id, found.status) == ("W1", WmsStatus.PICKING)
    assert adapter.find_order(ORDER.external_id) is None
    assert sent(wms).params == {"externalOrderId": ORDER.external_id}  # type: ignore[attr-defined]
    assert "Idempotency-Key" not in sent(wms).headers


def test_two_orders_with_one_external_id_are_a_case_for_a_person(adapter: Adapter, wms: Any) -> None:
    twins = [{"id": i, "status": "accepted", "externalOrderId": ORDER.external_id} for i in ("W1", "W2")]
    wms.get(f"{BASE}/orders", json={"orders": twins})
    with pytest.raises(Permanent, match="has 2 orders"):
        adapter.find_order(ORDER.external_id)


def test_an_update_is_taken_or_declined(adapter: Adapter, wms: Any) -> None:
    wms.put(f"{BASE}/orders/W%2F1", json={"status": "accepted"})
    wms.put(f"{BASE}/orders/W%2F1", status=409, json={"status": "packed", "reason": "too late"})
    assert adapter.update_order(RemoteOrderId("W/1"), ORDER, idempotency_key="k1").accepted
    declined = adapter.update_order(RemoteOrderId("W/1"), ORDER, idempotency_key="k2")
    assert declined == UpdateAnswer(accepted=False, status=WmsStatus.PACKED, reason="too late")
    assert [sent(wms, i).headers["Idempotency-Key"] for i in (0, 1)] == ["k1", "k2"]


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (200, {"cancelled": True, "status": "cancelled"}, CancelAnswer(True, WmsStatus.CANCELLED, "")),
        (
            200,
            {"cancelled": False, "status": "cancel_requested", "reason": None},
            CancelAnswer(False, WmsStatus.CANCEL_REQUESTED, ""),
        ),
        (409, {"status": "shipped", "reason": "gone"}, CancelAnswer(False, WmsStatus.SHIPPED, "gone")),
    ],
)
def test_a_cancellation_is_answered(
    adapter: Adapter, wms: Any, status: int, body: dict[str, Any], answer: CancelAnswer
) -> None:
    wms.post(f"{BASE}/orders/W1/cancel", status=status, json=body)
    assert adapter.cancel_order(RemoteOrderId("W1"), idempotency_key="cancel:W1") == answer
    assert sent(wms).headers["Idempotency-Key"] == "cancel:W1"


def test_a_return_is_announced(adapter: Adapter, wms: Any) -> None:
    wms.post(f"{BASE}/returns", status=201, json={"id": "R1", "labelUrl": None})
    answer = adapter.create_return(RETURN, idempotency_key="return:1")
    assert (answer.remote_id, answer.label_url) == ("R1", "")
    body = json.loads(sent(wms).body or b"")
    assert (body["externalOrderId"], body["wmsOrderId"]) == ("wms:order:1:5:1", "W1")
    assert body["lineItems"] == [{"wmsItemCode": "MUG", "quantity": 1, "externalLineId": "77"}]


def item(**changes: Any) -> dict[str, Any]:
    return {
        "wmsItemCode": "MUG",
        "warehouseId": "BER1",
        "availableQuantity": 5,
        "onHandQuantity": 7,
        "updatedAt": "2026-11-23T10:00:00Z",
        **changes,
    }


def test_stock_is_read_page_by_page(adapter: Adapter, wms: Any) -> None:
    wms.get(f"{BASE}/inventory", json={"items": [item()], "nextCursor": "c2"})
    wms.get(f"{BASE}/inventory", json={"items": [], "nextCursor": None})
    since = datetime(2026, 11, 23, 9, tzinfo=UTC)
    first = adapter.stock(updated_since=since, cursor=None, limit=500)
    last = adapter.stock(updated_since=since, cursor=first.next_cursor, limit=500)
    reading = first.readings[0]
    assert (reading.wms_item_code, reading.available, reading.on_hand) == ("MUG", 5, 7)
    assert reading.updated_at == datetime(2026, 11, 23, 10, tzinfo=UTC)
    assert last.next_cursor is None
    assert sent(wms, 1).params == {  # type: ignore[attr-defined]
        "limit": "500",
        "updatedSince": "2026-11-23T09:00:00Z",
        "cursor": "c2",
    }


def test_oversold_stock_is_none_and_unsaid_stock_is_unknown(adapter: Adapter, wms: Any) -> None:
    wms.get(f"{BASE}/inventory", json={"items": [item(availableQuantity=-3, onHandQuantity=None)]})
    reading = adapter.stock(updated_since=None, cursor=None, limit=10).readings[0]
    assert (reading.available, reading.on_hand) == (0, None)


def test_a_cursor_that_comes_back_is_refused(adapter: Adapter, wms: Any) -> None:
    wms.get(f"{BASE}/inventory", json={"items": [item()], "nextCursor": "c1"})
    with pytest.raises(Permanent, match="never end"):
        adapter.stock(updated_since=None, cursor="c1", limit=10)


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (item(wmsItemCode="CUP", updatedAt="23/11/2026 10:00"), "CUP: updatedAt: "),
        (item(wmsItemCode=""), "item 2 of a page: wmsItemCode: "),
        (item(wmsItemCode="CUP", availableQuantity="x"), "CUP: availableQuantity: "),
        ("CUP", "item 2 of a page: body: "),
        (None, "item 2 of a page: body: "),
    ],
)
def test_an_item_outside_the_contract_is_told_and_the_others_are_read(
    adapter: Adapter, wms: Any, broken: Any, told: str
) -> None:
    wms.get(f"{BASE}/inventory", json={"items": [item(), broken, item(wmsItemCode="BOX")]})
    page = adapter.stock(updated_since=None, cursor=None, limit=10)
    assert [reading.wms_item_code for reading in page.readings] == ["MUG", "BOX"]
    assert [each.startswith(told) for each in page.unread] == [True]


def test_a_time_without_a_zone_is_of_the_connections(wms: Any) -> None:
    wms.get(f"{BASE}/inventory", json={"items": [item(updatedAt="2026-07-01T10:00:00")]})
    page = adapter_for(connection(time_zone="Europe/Berlin")).stock(updated_since=None, cursor=None, limit=10)
    assert page.readings[0].updated_at == datetime(2026, 7, 1, 8, tzinfo=UTC)


def test_a_zone_that_this_machine_does_not_know_is_an_error_that_names_it(wms: Any) -> None:
    wms.get(f"{BASE}/inventory", json={"items": [item()]})
    with pytest.raises(Permanent, match="Mars/Base"):
        adapter_for(connection(time_zone="Mars/Base")).stock(updated_since=None, cursor=None, limit=10)


def test_what_a_connection_does_not_list_is_not_called() -> None:
    bare = adapter_for(connection(capabilities=[]))
    calls = [
        lambda: bare.find_order(ExternalId("x")),
        lambda: bare.update_order(RemoteOrderId("W1"), ORDER, idempotency_key="k"),
        lambda: bare.cancel_order(RemoteOrderId("W1"), idempotency_key="k"),
        lambda: bare.create_return(RETURN, idempotency_key="k"),
    ]
    for call in calls:
        with responses.RequestsMock(), pytest.raises(Permanent, match="has no capability"):
            call()


def test_without_deltas_all_stock_is_read(wms: Any) -> None:
    wms.get(f"{BASE}/inventory", json={"items": []})
    adapter_for(connection(capabilities=["find_order"])).stock(
        updated_since=datetime(2026, 11, 23, tzinfo=UTC), cursor=None, limit=10
    )
    assert sent(wms).params == {"limit": "10"}  # type: ignore[attr-defined]


def test_capabilities_are_the_adapters_unless_the_connection_lists_fewer() -> None:
    assert capabilities_of(connection()) == set(Capability)
    listed = connection(capabilities=["cancel_order", "telepathy"])
    assert capabilities_of(listed) == {Capability.CANCEL_ORDER}


def test_a_refusal_that_quotes_the_customer_is_kept_without_the_customer(
    adapter: Adapter, wms: responses.RequestsMock
) -> None:
    address = Address(name="Ada Lovelace", address1="Weg 1", city="Berlin", zip="10115", phone="0170 1234567")
    told = "Lovelace, Ada: weg 1 is not in 10115 Berlin; tried +49 170/1234567 and ada@b.example for MUG-12345678"
    wms.post(f"{BASE}/orders", status=422, json={"error": "bad_address", "message": told})
    with pytest.raises(Permanent) as caught:
        adapter.create_order(replace(ORDER, address=address))
    hidden = "•••, •••: ••• is not in 10115 Berlin; tried ••• and ••• for MUG-12345678"
    assert str(caught.value) == f"north answered 422: bad_address: {hidden}"
