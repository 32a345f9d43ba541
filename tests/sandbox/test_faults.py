"""Armed faults fire as often as they should, and the books count them."""

import pytest
import requests

from tests.sandbox.clients import ShopClient, WmsClient, eventually


def fired(client: ShopClient | WmsClient) -> list[int]:
    return [each["fired"] for each in client.control("GET", "faults")]


@pytest.mark.parametrize(
    ("fault", "done"), [("reset", 0), ("reset_after", 1), ("timeout_before", 0), ("timeout_after", 1)]
)
def test_a_lost_answer_hides_whether_it_was_done(wms: WmsClient, fault: str, done: int) -> None:
    wms.fault("POST /north/orders", fault, delay=0.1)
    with pytest.raises(requests.ConnectionError):
        wms.create()
    assert len(wms.books()["orders"]) == done
    assert wms.create().ok
    assert fired(wms) == [1]


def test_a_reset_is_a_reset(wms: WmsClient) -> None:
    wms.fault("POST /north/orders", "reset")
    with pytest.raises(requests.ConnectionError, match="reset"):
        wms.create()


@pytest.mark.parametrize(
    ("fault", "status"), [("500", 500), ("503", 503), ("429", 429), ("throttled", 429), ("401", 401)]
)
def test_error_statuses_mean_not_done(wms: WmsClient, fault: str, status: int) -> None:
    wms.fault("POST /north/orders", fault, retry_after=3)
    answer = wms.create()
    assert answer.status_code == status
    assert answer.headers.get("Retry-After") == ("3" if status == 429 else None)
    assert wms.books()["orders"] == []


def test_broken_bodies_come_after_the_work(wms: WmsClient) -> None:
    wms.fault("POST /north/orders", "truncate")
    wms.fault("POST /north/orders", "not_json")
    wms.fault("POST /north/orders", "500_after")
    with pytest.raises(requests.exceptions.RequestException):
        wms.create("a:1")
    assert wms.create("a:2").headers["Content-Type"] == "text/html"
    assert wms.create("a:3").status_code == 500
    assert len(wms.books()["orders"]) == 3


def test_a_slow_answer_drips(wms: WmsClient) -> None:
    wms.fault("GET /north/inventory", "slow", delay=0.3)
    answer = wms.call("GET", "inventory")
    assert len(answer.json()["items"]) == 2
    assert answer.elapsed.total_seconds() < 0.2


def test_graphql_faults_match_by_root_field_and_operation(shop: ShopClient) -> None:
    shop.fault("shop", "throttled", count=2)
    shop.fault("Named", "503")
    assert [shop.graphql("{ shop { name } }").get("errors", [{}])[0].get("message") for _ in range(3)] == [
        "Throttled",
        "Throttled",
        None,
    ]
    assert shop.post("query Named { locations(first: 1) { nodes { id } } }").status_code == 503
    assert fired(shop) == [2, 1]


def test_a_segment_may_be_anything(wms: WmsClient) -> None:
    wms.fault("POST /north/orders/*/cancel", "500", count=None)
    order = wms.create().json()["id"]
    assert wms.call("POST", f"orders/{order}/cancel").status_code == 500
    wms.control("DELETE", "faults")
    assert wms.call("POST", f"orders/{order}/cancel").status_code == 200


def test_faults_may_be_a_matter_of_chance_and_account(wms: WmsClient) -> None:
    wms.fault("*", "500", count=None, probability=0.5)
    wms.fault("*", "503", count=None, slug="south")
    statuses = {wms.call("GET", "inventory").status_code for _ in range(30)}
    assert statuses == {200, 500}


def test_a_rule_ends_after_its_seconds(wms: WmsClient) -> None:
    wms.fault("POST /north/orders", "500", seconds=0.1)
    [rule] = eventually(lambda: [each for each in wms.control("GET", "faults") if each["spent"]])
    assert wms.create().ok
    assert rule["fired"] == 0


def test_nonsense_is_not_armed(wms: WmsClient) -> None:
    answer = wms.session.post(
        f"{wms.url}/_sandbox/faults", json={"match": "*", "fault": "explode"}, timeout=5
    )
    assert answer.status_code == 400
