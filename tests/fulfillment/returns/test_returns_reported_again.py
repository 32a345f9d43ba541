"""A return that is known is reported again: more is recorded, less is told to a person, nothing is dropped."""

from __future__ import annotations

import pytest

from fulfillment.models import Return, ReturnLine, WmsOrder
from ops.models import Alert
from tests.fulfillment.scene import MUG, TEE, Scene

pytestmark = pytest.mark.django_db

Item = tuple[str, int, str]
MUGS: Item = ("MUG", 1, "sellable")
FIRST, LATER, EARLIER = (f"2027-01-0{day}T00:00:00+00:00" for day in (2, 3, 1))


@pytest.fixture
def order_id(scene: Scene) -> str:
    """The WMS's id of an order whose return R1 came back: one mug, sellable."""
    scene.arrive((MUG, 3), (TEE, 1))
    remote_id = WmsOrder.objects.get().remote_id
    report(scene, remote_id, MUGS)
    return remote_id


def report(scene: Scene, order_id: str, *items: Item, at: str = FIRST, return_id: str = "R1") -> None:
    goods = [{"wmsItemCode": code, "quantity": units, "condition": state} for code, units, state in items]
    data = {"wmsReturnId": return_id, "wmsOrderId": order_id, "items": goods, "receivedAt": at}
    scene.callback("return_receipt", data, at=at)


def recorded() -> list[tuple[str, int, int]]:
    return list(ReturnLine.objects.order_by("item_code").values_list("item_code", "sellable", "damaged"))


def contradictions() -> list[str]:
    return list(Alert.objects.filter(kind="return_contradicted").values_list("meaning", flat=True))


def test_the_same_once_more_changes_nothing(scene: Scene, order_id: str) -> None:
    report(scene, order_id, MUGS, at=LATER)
    assert (recorded(), contradictions()) == ([("MUG", 1, 0)], [])
    assert Alert.objects.get(kind="return_received").count == 1


def test_more_units_and_further_items_are_recorded_and_told(scene: Scene, order_id: str) -> None:
    report(scene, order_id, ("MUG", 2, "sellable"), ("MUG", 1, "damaged"), ("TEE", 1, "damaged"), at=LATER)
    assert (recorded(), contradictions()) == ([("MUG", 2, 1), ("TEE", 0, 1)], [])
    alert = Alert.objects.get(kind="return_received", state="open")
    assert "More goods of order" in alert.title
    assert "MUG: 2 sellable and 1 damaged; TEE: 1 damaged" in alert.meaning


@pytest.mark.parametrize(
    ("items", "told"),
    [
        ([("MUG", 0, "sellable")], "MUG: none instead of 1 sellable"),
        ([("MUG", 1, "damaged")], "MUG: 1 damaged instead of 1 sellable"),
    ],
)
def test_less_or_another_condition_is_told_and_changes_nothing(
    scene: Scene, order_id: str, items: list[Item], told: str
) -> None:
    report(scene, order_id, *items, at=LATER)
    assert recorded() == [("MUG", 1, 0)]
    (meaning,) = contradictions()
    assert told in meaning


def test_other_goods_alone_are_recorded_and_what_lacks_is_told(scene: Scene, order_id: str) -> None:
    report(scene, order_id, ("TEE", 1, "sellable"), at=LATER)
    assert recorded() == [("MUG", 1, 0), ("TEE", 1, 0)]
    (meaning,) = contradictions()
    assert "MUG: none instead of 1 sellable" in meaning


def test_an_overtaken_report_of_less_says_nothing_and_one_of_more_is_told(
    scene: Scene, order_id: str
) -> None:
    report(scene, order_id, ("MUG", 0, "sellable"), at=EARLIER)
    assert contradictions() == []
    report(scene, order_id, ("MUG", 2, "sellable"), at=EARLIER)
    assert recorded() == [("MUG", 1, 0)]
    (meaning,) = contradictions()
    assert "An older report says MUG: 2 sellable instead of 1 sellable" in meaning


def test_an_id_that_was_another_orders_return_is_this_orders_too(scene: Scene, order_id: str) -> None:
    scene.arrive((MUG, 1))
    other = WmsOrder.objects.exclude(remote_id=order_id).get()
    report(scene, other.remote_id, MUGS, at=LATER)
    mine = Return.objects.get(wms_order=other)
    assert (mine.state, mine.lines.get().sellable) == ("received", 1)
    assert "has the same ID R1" in Alert.objects.get(kind="return_received", subject=mine.external_id).meaning


def test_without_an_order_the_id_of_the_return_is_enough(scene: Scene, order_id: str) -> None:
    report(scene, "", ("MUG", 2, "sellable"), at=LATER)
    assert recorded() == [("MUG", 2, 0)]
