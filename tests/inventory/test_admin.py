"""Staff's view of stock: found, judged, not edited; and a push can be asked for."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inventory import reservations
from inventory.models import PushBatch, StockLevel, Watermark
from inventory.reservations import Need
from ops.models import Job
from tests.builders import make_connection, make_level, make_shop, make_warehouse
from wms.models import Warehouse

pytestmark = pytest.mark.django_db
LIST = "/admin/inventory/stocklevel/"


@pytest.fixture
def berlin() -> Warehouse:
    return make_warehouse(make_shop(), make_connection())


def test_the_list_shows_what_is_free(admin_client: Client, berlin: Warehouse) -> None:
    make_level(berlin, available=917)
    reservations.reserve("order-1", [Need(berlin.pk, "MUG", 4)])
    page = admin_client.get(LIST).content.decode()
    assert "MUG" in page
    assert "913" in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=MU", True),
        ("q=POT", False),
        ("push=due", True),
        ("push=told", False),
        ("push=never", True),
        ("stock=none", False),
        ("stock=reserved", True),
        ("stock=over", False),
    ],
)
def test_filters_answer_the_operators_questions(
    admin_client: Client, berlin: Warehouse, query: str, found: bool
) -> None:
    level = make_level(berlin, available=10)
    reservations.reserve("order-1", [Need(berlin.pk, "MUG", 4)])
    page = admin_client.get(f"{LIST}?{query}").content.decode()
    assert (f"{LIST}{level.pk}/change/" in page) is found


def test_push_again_only_enqueues_and_leaves_a_log_entry(admin_client: Client, berlin: Warehouse) -> None:
    levels = [make_level(berlin, item) for item in ("MUG", "CUP")]
    sent = {"action": "push_again", "_selected_action": [level.pk for level in levels]}
    assert admin_client.post(LIST, sent).status_code == 302
    assert StockLevel.objects.filter(push_due_since__isnull=False).count() == 2
    assert Job.objects.get().kind == "inventory.push"
    assert LogEntry.objects.count() == 2


def test_whoever_may_only_look_cannot_push(client: Client, berlin: Warehouse) -> None:
    eve = User.objects.create_user("eve", is_staff=True)
    eve.user_permissions.add(Permission.objects.get(codename="view_stocklevel"))
    client.force_login(eve)
    level = make_level(berlin)
    assert client.get(LIST).status_code == 200
    client.post(LIST, {"action": "push_again", "_selected_action": [level.pk]})
    assert not Job.objects.exists()


def test_nothing_can_be_edited(admin_client: Client, berlin: Warehouse) -> None:
    level = make_level(berlin, available=10)
    assert admin_client.post(f"{LIST}{level.pk}/change/", {"available": 99}).status_code == 403
    assert admin_client.get(f"{LIST}add/").status_code == 403
    assert StockLevel.objects.get().available == 10


def test_every_page_opens(admin_client: Client, berlin: Warehouse) -> None:
    level = make_level(berlin)
    reservations.reserve("order-1", [Need(berlin.pk, "MUG", 4)])
    Watermark.objects.create(connection=berlin.connection, updated_since=timezone.now())
    batch = PushBatch.objects.create(
        shop=berlin.shop, key="k", operation="inventory_activate", variables={"item": 1}
    )
    changes = [f"stocklevel/{level.pk}/change/", f"pushbatch/{batch.pk}/change/"]
    for page in ["reservation/", "watermark/", "pushbatch/", *changes]:
        assert admin_client.get(f"/admin/inventory/{page}").status_code == 200, page
    assert "order-1" in admin_client.get("/admin/inventory/reservation/?q=order-1").content.decode()


def test_the_list_does_not_ask_once_per_row(admin_client: Client, berlin: Warehouse) -> None:
    make_level(berlin, "I0")
    counts = []
    for number in range(2):
        with CaptureQueriesContext(connection) as queries:
            admin_client.get(LIST)
        counts.append(len(queries))
        for row in range(10):
            make_level(berlin, f"J{number}{row}")
    assert counts[0] == counts[1]
