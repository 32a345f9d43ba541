"""The console's front page and its sidebar."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from ops.alerts import raise_alert
from ops.models import Lane
from tests.builders import make_dead_letter, make_job, make_order, make_shop

pytestmark = pytest.mark.django_db


def page(client: Client) -> str:
    answer = client.get("/admin/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_six_metrics_are_shown_with_their_colour(admin_client: Client) -> None:
    make_dead_letter()
    found = dict(re.findall(r'data-metric="(\w+)" data-tone="(\w+)"', page(admin_client)))
    assert len(found) == 6
    assert found["dead_letter_depth"] == "danger"
    assert found["stock_sync_lag"] == "success"


def test_open_alerts_say_what_to_do(admin_client: Client) -> None:
    raise_alert("unmapped_sku", subject="sku:b:1", title="TEE-S is not mapped", meaning="m", action="Map it")
    text = page(admin_client)
    assert "TEE-S is not mapped" in text
    assert "Map it" in text


def test_lanes_that_do_not_run_come_first(admin_client: Client) -> None:
    make_job(lane="wms:a")
    make_job(lane="wms:z")
    Lane.objects.filter(name="wms:z").update(circuit="open", open_until=timezone.now())
    text = page(admin_client)
    assert text.index("?lane__name__exact=wms%3Az") < text.index("?lane__name__exact=wms%3Aa")


def test_unfinished_orders_are_counted_by_state(admin_client: Client) -> None:
    shop = make_shop()
    make_order(shop, state="held", reason="unmapped_sku")
    make_order(shop, state="shipped")
    text = page(admin_client)
    assert re.search(r'data-orders="held">\s*<div[^>]*>1</div>', text)
    assert 'data-orders="shipped"' not in text


def test_the_front_page_takes_a_constant_number_of_statements(
    admin_client: Client, django_assert_num_queries: Any
) -> None:
    page(admin_client)
    with django_assert_num_queries(14) as few:
        page(admin_client)
    for number in range(30):
        make_dead_letter(lane=f"wms:w{number}")
        raise_alert("k", subject=str(number), title="t", meaning="m", action="a")
    with django_assert_num_queries(len(few)):
        page(admin_client)


def test_the_sidebar_counts_what_needs_a_person(admin_client: Client) -> None:
    for _ in range(3):
        make_dead_letter()
    text = page(admin_client)
    assert re.search(r"<span>Dead letters</span>\s*<span[^>]*>\s*3\s*</span>", text)


def test_the_sidebar_shows_only_what_a_user_may_see(client: Client) -> None:
    looker = User.objects.create_user("looker", password="x", is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_job"))
    client.force_login(looker)
    text = page(client)
    assert "<span>Dead letters</span>" in text
    assert "<span>Connections</span>" not in text
