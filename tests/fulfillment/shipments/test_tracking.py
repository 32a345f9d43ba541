"""Customers get every number and link that a warehouse gave, and nothing that is none."""

from __future__ import annotations

from typing import Any

import pytest

from fulfillment.console import search
from fulfillment.models import Shipment
from ops.models import Alert, Job
from tests.fulfillment.scene import GIFT_SET, MUG, Scene

pytestmark = pytest.mark.django_db
Json = dict[str, Any]
UPS = ["1Z999AA10123456784", "1Z999AA10123456785"]


def report(scene: Scene, order: Json, at: str = "2027-01-01T00:00:00+00:00", **said: Any) -> Json:
    data = {
        "wmsOrderId": scene.row(order).wms_orders.get().remote_id,
        "wmsShipmentId": "K1",
        "warehouseId": "BER1",
        "shippedItems": [{"wmsItemCode": "MUG", "quantityShipped": 1}],
        "shippedAt": "2027-01-01T00:00:00Z",
        **said,
    }
    scene.callback("shipment", data, at=at)
    return data


def tracking(scene: Scene, order: Json) -> list[Json]:
    return [each["tracking"] for each in scene.fulfillments(order)]


def test_several_numbers_in_one_field_and_a_link_reach_shopify(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    report(
        scene,
        order,
        trackingNumber=",".join(UPS),
        carrierCode="ups",
        trackingUrl="https://track.example/1",
    )
    (found,) = tracking(scene, order)
    assert found == {"company": "UPS", "numbers": UPS, "urls": ["https://track.example/1"]}
    for text in UPS:
        assert search.shipments(text) == [Shipment.objects.get().id]


@pytest.mark.parametrize(
    "joined",
    [
        "{} and {}",
        "{} und {}",
        "{}，{}",
        "{}·{}",
        "\u200b{}\u200b {}\ufeff",
        '["{}", "{}"]',
        "{} - {}",
    ],
)
def test_numbers_are_parted_however_they_were_joined(scene: Scene, joined: str) -> None:
    order = scene.arrive((MUG, 1))
    report(scene, order, trackingNumber=joined.format(*UPS))
    assert tracking(scene, order)[0]["numbers"] == UPS


def test_a_link_behind_a_number_in_the_same_field_is_a_link(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    report(scene, order, trackingNumber=f"{UPS[0]}: https://track.example/1")
    found = tracking(scene, order)[0]
    assert (found["numbers"], found["urls"]) == ([UPS[0]], ["https://track.example/1"])


@pytest.mark.parametrize("word", ["N/A", "-", "none", "null", "tbd", "n.a."])
def test_a_word_for_none_is_no_number_and_makes_way_for_the_first_real_one(scene: Scene, word: str) -> None:
    order = scene.arrive((MUG, 1))
    report(scene, order, trackingNumber=word)
    assert tracking(scene, order)[0]["numbers"] == []
    report(scene, order, trackingNumber=UPS[0])
    assert tracking(scene, order)[0]["numbers"] == [UPS[0]]


def test_lists_of_numbers_and_links_reach_shopify_and_so_does_their_correction(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    links = ["https://track.example/1", "https://track.example/2"]
    report(scene, order, trackingNumbers=UPS, trackingUrls=links, carrierCode="ups")
    assert tracking(scene, order) == [{"company": "UPS", "numbers": UPS, "urls": links}]
    more = [*UPS, "1Z999AA10123456786"]
    report(scene, order, "2027-01-02T00:00:00+00:00", trackingNumbers=more, carrierCode="ups")
    assert tracking(scene, order)[0]["numbers"] == more
    report(scene, order, "2027-01-03T00:00:00+00:00", trackingUrls=links)
    assert tracking(scene, order)[0] == {"company": "UPS", "numbers": more, "urls": links}


def test_a_report_that_was_seen_before_asks_shopify_nothing(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    for _ in range(2):
        report(scene, order, trackingNumbers=UPS, carrierCode="ups")
    assert not Job.objects.filter(kind="fulfillment.update_tracking").exists()


def test_a_carrier_that_nobody_knows_is_passed_on_by_its_name(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    name = "Trans-o-flex ThermoMed Großhandel " + "x" * 150
    report(scene, order, trackingNumber="N1", carrierCode=name)
    assert tracking(scene, order)[0]["company"] == name


def test_what_cannot_be_used_is_told_and_holds_up_nothing(scene: Scene) -> None:
    order = scene.arrive((MUG, 1))
    report(scene, order, trackingNumber="N1", trackingUrl="javascript:alert(1)")
    assert tracking(scene, order)[0] == {"company": None, "numbers": ["N1"], "urls": []}
    alert = Alert.objects.get(kind="tracking_unusable")
    assert "javascript:alert(1)" in alert.meaning
    assert "berlin" in alert.title


def test_an_answer_that_got_lost_is_read_back_by_all_its_numbers(scene: Scene) -> None:
    order = scene.arrive((MUG, 2))
    scene.shopify.fault("fulfillmentCreate", "timeout_after", delay=0.1)
    report(scene, order, trackingNumbers=UPS)
    from_books = tracking(scene, order)
    assert len(from_books) == 1
    Job.objects.filter(state="ready").update(run_at="2026-01-01T00:00:00Z")
    scene.callback("order_status", {"wmsOrderId": "nobody", "status": "picking"})
    assert len(tracking(scene, order)) == 1
    assert Shipment.objects.get().state == "fulfilled"


def test_a_kit_that_left_in_two_shipments_has_both_numbers(scene: Scene) -> None:
    order = scene.arrive((GIFT_SET, 1))
    scene.ship(order, ("MUG", 2), tracking="TM1")
    scene.ship(order, ("BOX", 1), tracking="TM2")
    (found,) = tracking(scene, order)
    assert sorted(found["numbers"]) == ["TM1", "TM2"]


def test_a_kit_has_the_numbers_of_its_own_shipments_only(scene: Scene) -> None:
    order = scene.arrive((GIFT_SET, 3))
    scene.ship(order, ("MUG", 3), ("BOX", 1), tracking="A")  # one set, and a mug of the second
    scene.ship(order, ("MUG", 1), ("BOX", 1), tracking="B")  # the second
    scene.ship(order, ("MUG", 2), ("BOX", 1), tracking="C")  # the third
    assert [sorted(each["numbers"]) for each in tracking(scene, order)] == [["A"], ["A", "B"], ["C"]]


def test_a_corrected_number_of_a_kit_s_first_shipment_reaches_the_fulfillment_of_its_last(
    scene: Scene,
) -> None:
    order = scene.arrive((GIFT_SET, 1))
    first = scene.ship(order, ("MUG", 2), tracking="WRONG")
    scene.ship(order, ("BOX", 1), tracking="B")
    scene.callback("shipment", {**first, "trackingNumber": "RIGHT"}, at="2027-01-02T00:00:00+00:00")
    assert sorted(tracking(scene, order)[0]["numbers"]) == ["B", "RIGHT"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("shippedAt", "soon"),
        ("shippedAt", None),
        ("shippedAt", 5),
        ("carrierCode", {}),
        ("warehouseId", ["x"]),
    ],
)
def test_a_field_that_cannot_be_read_costs_nobody_the_tracking_and_is_told(
    scene: Scene, field: str, value: Any
) -> None:
    order = scene.arrive((MUG, 1))
    report(scene, order, trackingNumber="T1", **{field: value})
    assert [each["numbers"] for each in tracking(scene, order)] == [["T1"]]
    assert not Job.objects.filter(state="dead").exists()
    told = Alert.objects.filter(kind="callback_field_unread").values_list("subject", flat=True)
    assert list(told) == ([] if value is None else [f"north: {field}"])
