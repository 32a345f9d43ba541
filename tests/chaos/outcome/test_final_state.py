"""The end of a run does not trust what the application says about itself."""

from __future__ import annotations

import pytest
from django.utils import timezone

from fulfillment.models import Order
from ops.alerting.alerts import raise_alert
from ops.refs import Subject
from tests.builders import (
    make_connection,
    make_dead_letter,
    make_job,
    make_order,
    make_shop,
    make_warehouse,
    make_wms_order,
)
from tests.chaos.outcome.final_state import FinalState
from tests.chaos.people.alert_receiver import AlertReceiver, ReceivedAlert
from tests.chaos.people.plans import Fate
from tests.end_to_end.checker import Checker, Json

pytestmark = pytest.mark.django_db


def _complaints(order: Order, fate: Fate = Fate.SHIPS, *, told: str = "", **books: object) -> list[str]:
    """Returns the complaints about one order.

    `books` is what Shopify says about it, and `told` is the subject of the alert that people got.
    """
    line: Json = {
        "id": order.shopify_order_id,
        "name": "#1",
        "cancelled_at": None,
        "financial_status": "PAID",
    }
    shopify = {order.shop.domain: {"orders": [{**line, **books}]}}
    checker = Checker(shopify=shopify, wms={}, places=(), parts={}, carriers={})
    receiver = AlertReceiver("", [ReceivedAlert("title", f"text\n\nSubject: {told}\n")] if told else [])
    return FinalState(checker, receiver, {(order.shop.domain, order.shopify_order_id): fate}).complaints()


def _alert(kind: str, subject: str) -> None:
    raise_alert(kind, subject=Subject(subject), title="t", meaning="m", action="a")


def test_a_shipped_order_is_as_it_should_be() -> None:
    assert _complaints(make_order(make_shop(), state="shipped")) == []


@pytest.mark.parametrize(
    ("state", "reason", "books", "complaint"),
    [
        ("ready", "", {}, "should be shipped"),
        ("held", "wms_rejected", {}, "should be shipped"),
        ("ready", "", {"financial_status": "PENDING"}, "is not paid"),
        ("shipped", "", {"cancelled_at": "now"}, "is cancelled, and stands"),
    ],
)
def test_an_order_that_stands_wrongly_is_seen(state: str, reason: str, books: Json, complaint: str) -> None:
    [found] = _complaints(make_order(make_shop(), state=state, reason=reason), **books)
    assert complaint in found


def test_an_order_that_waits_for_its_payment_needs_no_alert() -> None:
    order = make_order(make_shop(), state="waiting", reason="unpaid")
    assert _complaints(order, Fate.NEVER_PAID, financial_status="PENDING") == []


def test_a_held_order_needs_its_reason_an_open_alert_and_a_word_to_people() -> None:
    order = make_order(make_shop(), state="held", reason="no_warehouse")
    assert "no open alert" in _complaints(order, Fate.UNSERVED, told=order.subject)[0]
    _alert("no_warehouse", order.subject)
    assert "people were not told" in _complaints(order, Fate.UNSERVED)[0]
    assert _complaints(order, Fate.UNSERVED, told=order.subject) == []
    assert "stands as" in _complaints(order, Fate.NO_ADDRESS, told=order.subject)[0]


def test_work_that_nobody_will_finish_is_seen() -> None:
    order = make_order(make_shop(), state="shipped")
    make_dead_letter("fulfillment.submit")
    make_job("wms.shipment", subject="wms_order:W9", parked_on=["x"], parked_since=timezone.now())
    assert [found.split()[0] for found in _complaints(order)] == ["1", "job"]


def test_an_outcome_that_nobody_decided_is_seen() -> None:
    shop = make_shop()
    order = make_order(shop, state="shipped")
    warehouse = make_warehouse(shop, make_connection())
    make_wms_order(
        order, warehouse, wms_status="submitting", outcome="unknown", remote_id="", accepted_at=None
    )
    assert "nobody decided" in _complaints(order)[0]
