"""The console's pages of WMS orders, shipments and returns, and what only a person can decide there."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from fulfillment.models import Order, Return, Shipment, ShipmentUnit, WmsOrder
from ops.alerting.alerts import raise_alert
from ops.models import Alert, Job
from ops.refs import Subject
from tests.builders import make_shipment
from tests.fulfillment.order_rows import at_warehouse, in_question, ordered, place, shipped, staff
from tests.parked import is_parked, park
from wms.ids import ExternalId, RemoteOrderId, RemoteShipmentId

pytestmark = pytest.mark.django_db

PARTS = "/admin/fulfillment/wmsorder/"
SHIPMENTS = "/admin/fulfillment/shipment/"
RETURNS = "/admin/fulfillment/return/"


def decide(client: Client, row: WmsOrder, **said: str) -> str:
    return str(client.post(f"{PARTS}{row.pk}/decide/", said, follow=True).content.decode())


def look_again(client: Client, row: Shipment) -> str:
    said = {"action": "look_again", "_selected_action": [row.pk], "page": str(row.pk)}
    return str(client.post(SHIPMENTS, said, follow=True).content.decode())


def count_statements(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    assert not any("COUNT(*)" in q["sql"] and "fulfillment" in q["sql"] for q in captured.captured_queries)
    return len(captured)


@pytest.mark.parametrize("address", [PARTS, SHIPMENTS, RETURNS])
def test_lists_do_not_grow_with_their_rows(admin_client: Client, address: str) -> None:
    warehouse = place()
    shipped(warehouse)
    few = count_statements(admin_client, address)
    for _ in range(10):
        shipped(warehouse)
    assert count_statements(admin_client, address) == few <= 13


@pytest.mark.parametrize("address", [PARTS, SHIPMENTS, RETURNS])
def test_rows_are_found_by_the_name_of_their_order_and_have_a_page(
    admin_client: Client, address: str
) -> None:
    warehouse = place()
    shipment, other = shipped(warehouse), shipped(warehouse)
    assert shipment.wms_order is not None
    assert other.wms_order is not None
    order = shipment.wms_order.order
    text = admin_client.get(address, {"q": order.name}).content.decode()
    assert text.count(f'href="{address}') >= 1
    row = {
        PARTS: shipment.wms_order,
        SHIPMENTS: shipment,
        RETURNS: Return.objects.get(wms_order=shipment.wms_order),
    }
    assert f"{address}{row[address].pk}/change/" in text
    assert other.wms_order.order.name not in text
    page = admin_client.get(f"{address}{row[address].pk}/change/").content.decode()
    assert "MUG" in page
    assert f"/admin/fulfillment/order/{order.pk}/change/" in page
    assert "Lovelace" not in page + text


@pytest.mark.parametrize(
    ("question", "meant"), [("decide", "in_question"), ("refused", "refused"), ("cancelling", "asked")]
)
def test_questions_about_wms_orders_have_answers(admin_client: Client, question: str, meant: str) -> None:
    warehouse = place()
    rows = {
        "in_question": in_question(warehouse),
        "refused": at_warehouse(warehouse, part={"wms_status": "rejected"}).wms_orders.get(),
        "asked": at_warehouse(warehouse, part={"wms_status": "cancel_requested"}).wms_orders.get(),
        "going": at_warehouse(warehouse).wms_orders.get(),
    }
    text = admin_client.get(PARTS, {"question": question}).content.decode()
    assert {name for name, row in rows.items() if f"{PARTS}{row.pk}/change/" in text} == {meant}


def test_it_is_there_records_who_said_so_and_the_order_goes_on(admin_client: Client, admin_user: Any) -> None:
    row = in_question(place())
    raise_alert(
        "outcome_unknown", subject=Subject(row.external_id), title="Where?", meaning="m", action="Look."
    )
    waiting = park(f"decision:{row.external_id}")
    page = admin_client.get(f"{PARTS}{row.pk}/change/").content.decode()
    assert "Does the WMS have it?" in page
    assert "the WMS has it as W77" in decide(admin_client, row, there="1", remote_id=" W77 ", looked="on")
    row.refresh_from_db()
    assert (row.wms_status, row.remote_id, row.outcome) == ("accepted", "W77", "confirmed")
    assert row.decided_by == admin_user
    assert row.order.state == "at_warehouse"
    assert not is_parked(waiting)
    assert not Alert.objects.filter(state="open").exists()
    assert LogEntry.objects.get().object_id == str(row.pk)
    assert "Does the WMS have it?" not in admin_client.get(f"{PARTS}{row.pk}/change/").content.decode()


def test_it_is_not_there_submits_it_again_under_the_same_identity(
    admin_client: Client, admin_user: Any
) -> None:
    row = in_question(place())
    assert "it is submitted again" in decide(admin_client, row, absent="1", looked="on")
    row.refresh_from_db()
    assert (row.outcome, row.decided_by, row.order.state) == ("absent", admin_user, "ready")
    assert Job.objects.filter(key=f"submit:{row.external_id}", state="ready").count() == 1
    assert LogEntry.objects.count() == 1


def test_what_was_refused_holds_the_order_on(admin_client: Client) -> None:
    row = in_question(place())
    WmsOrder.objects.create(
        order=row.order, part=2, warehouse=row.warehouse, external_id=ExternalId("x:2"), wms_status="rejected",
        outcome="refused", outcome_detail="no such item", attempt=1, attempt_at=timezone.now(),
    )  # fmt: skip
    decide(admin_client, row, absent="1", looked="on")
    order = Order.objects.get()
    assert (order.state, order.reason, order.reason_detail) == ("held", "wms_rejected", "no such item")


def test_the_page_says_from_when_on_it_can_be_known_to_be_absent(admin_client: Client) -> None:
    row = in_question(place())
    WmsOrder.objects.update(attempt_at=timezone.now())
    page = admin_client.get(f"{PARTS}{row.pk}/change/").content.decode()
    (when,) = re.findall(r"You can say this from (\d\d:\d\d:\d\d) UTC on", page)
    assert f"Look again after {when} UTC" in decide(admin_client, row, absent="1", looked="on")
    row.refresh_from_db()
    assert (row.outcome, row.decided_by) == ("unknown", None)
    assert not LogEntry.objects.exists()


def test_what_was_cancelled_meanwhile_is_not_submitted_again(admin_client: Client) -> None:
    row = in_question(place())
    Order.objects.update(cancelled_at=timezone.now())
    Job.objects.all().delete()
    assert "it ends here" in decide(admin_client, row, absent="1", looked="on")
    row.refresh_from_db()
    assert (row.wms_status, row.outcome, row.order.state) == ("cancelled", "absent", "cancelled")
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    "said",
    [
        {"there": "1", "remote_id": "", "looked": "on"},
        {"there": "1", "remote_id": "x" * 256, "looked": "on"},
        {"there": "1", "remote_id": "TAKEN", "looked": "on"},
        {"there": "1", "remote_id": "W77"},
        {"absent": "1"},
        {},
    ],
)
def test_half_a_decision_decides_nothing(admin_client: Client, said: dict[str, str]) -> None:
    warehouse = place()
    row = in_question(warehouse)
    at_warehouse(warehouse, part={"remote_id": "TAKEN"})
    before, jobs = list(WmsOrder.objects.values()), list(Job.objects.values())
    assert "Nothing was decided." in decide(admin_client, row, **said)
    assert (list(WmsOrder.objects.values()), list(Job.objects.values())) == (before, jobs)
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize(
    "said",
    [{"there": "1", "remote_id": "W77", "looked": "on"}, {"absent": "1", "looked": "on"}],
    ids=["there", "absent"],
)
def test_what_is_not_in_question_is_not_decided(admin_client: Client, said: dict[str, str]) -> None:
    row = at_warehouse(place()).wms_orders.get()
    before, jobs = list(WmsOrder.objects.values()), list(Job.objects.values())
    assert "not in question any more" in decide(admin_client, row, **said)
    assert (list(WmsOrder.objects.values()), list(Job.objects.values())) == (before, jobs)
    assert not LogEntry.objects.exists()


def test_who_may_only_look_decides_nothing(client: Client) -> None:
    row = in_question(place())
    staff(client, "view_wmsorder")
    page = client.get(f"{PARTS}{row.pk}/change/")
    assert page.status_code == 200
    assert "Does the WMS have it?" not in page.content.decode()
    answer = client.post(f"{PARTS}{row.pk}/decide/", {"there": "1", "remote_id": "W77"})
    assert answer.status_code == 403
    row.refresh_from_db()
    assert (row.outcome, row.decided_by) == ("unknown", None)


def test_a_decision_is_taken_by_post_only_and_never_anonymously(client: Client, admin_client: Client) -> None:
    row = in_question(place())
    assert admin_client.get(f"{PARTS}{row.pk}/decide/").status_code == 405
    assert admin_client.post(f"{PARTS}999999/decide/", {"absent": "1", "looked": "on"}).status_code == 404
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = admin_client.cookies
    assert strict.post(f"{PARTS}{row.pk}/decide/", {"absent": "1", "looked": "on"}).status_code == 403
    assert client.__class__().post(f"{PARTS}{row.pk}/decide/", {"absent": "1"}).status_code == 302
    row.refresh_from_db()
    assert row.outcome == "unknown"


def test_held_shipments_come_first_among_the_filters(admin_client: Client) -> None:
    warehouse = place()
    held, fine = shipped(warehouse, state="held", reason="3 too many"), shipped(warehouse)
    text = admin_client.get(SHIPMENTS, {"state__exact": "held"}).content.decode()
    assert f"{SHIPMENTS}{held.pk}/change/" in text
    assert f"{SHIPMENTS}{fine.pk}/change/" not in text
    assert 0 < text.index("?state__exact=held") < text.index("?state__exact=received")


def test_look_again_has_a_held_shipment_told_to_shopify(admin_client: Client) -> None:
    shipment = shipped(place(), state="held", reason="Shopify no longer asks for these units")
    assert "Look again</button>" in admin_client.get(f"{SHIPMENTS}{shipment.pk}/change/").content.decode()
    assert "Shopify is told next: 1." in look_again(admin_client, shipment)
    shipment.refresh_from_db()
    assert (shipment.state, shipment.reason) == ("received", "")
    assert Job.objects.filter(kind="fulfillment.fulfil").count() == 1
    assert LogEntry.objects.count() == 1


def test_look_again_holds_what_still_does_not_fit(admin_client: Client) -> None:
    order = at_warehouse(place())
    shipment = make_shipment(order.wms_orders.get(), state="held")
    shipment.lines.create(item_code="GHOST", quantity=5)
    assert "nothing was counted: 1." in look_again(admin_client, shipment)
    shipment.refresh_from_db()
    assert (shipment.state, "5 × GHOST" in shipment.reason) == ("held", True)
    assert not ShipmentUnit.objects.exists()
    assert not Job.objects.filter(kind="fulfillment.fulfil").exists()
    assert not LogEntry.objects.exists()


def test_who_may_only_look_does_not_make_it_look_again(client: Client) -> None:
    shipment = shipped(place(), state="held", reason="3 too many")
    staff(client, "view_shipment")
    assert "Look again</button>" not in client.get(f"{SHIPMENTS}{shipment.pk}/change/").content.decode()
    look_again(client, shipment)
    shipment.refresh_from_db()
    assert shipment.state == "held"
    assert not Job.objects.filter(kind="fulfillment.fulfil").exists()


def test_a_shipment_of_an_unknown_order_has_a_page(admin_client: Client) -> None:
    warehouse = place()
    ordered(warehouse.shop)
    lost = Shipment.objects.create(
        connection=warehouse.connection,
        wms_shipment_id=RemoteShipmentId("S?"),
        remote_order_id=RemoteOrderId("W?"),
        state="held",
        reason="whose?",
    )
    assert "whose?" in admin_client.get(f"{SHIPMENTS}{lost.pk}/change/").content.decode()
    assert "nothing was counted: 1." in look_again(admin_client, lost)
