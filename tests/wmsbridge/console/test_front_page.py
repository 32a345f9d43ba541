"""The console's front page and its sidebar."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from ops.alerting.alerts import raise_alert
from ops.models import Alert, Lane, Severity
from ops.refs import Subject
from tests.builders import make_dead_letter, make_job, make_order, make_shop
from wmsbridge import health

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


def test_a_threshold_of_nothing_is_not_near_while_there_is_nothing(admin_client: Client) -> None:
    text = page(admin_client)
    assert set(re.findall(r'data-metric="\w+" data-tone="(\w+)"', text)) == {"success"}
    assert re.search(r"alert above 0\s*</span>", text)


def test_each_metric_says_what_it_measures(admin_client: Client) -> None:
    text = html.unescape(page(admin_client))
    assert [each.name for each in health.METRICS if each.definition not in text] == []


def test_open_alerts_say_what_to_do(admin_client: Client) -> None:
    raise_alert(
        "unmapped_sku", subject=Subject("sku:b:1"), title="TEE-S is not mapped", meaning="m", action="Map it"
    )
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
    with django_assert_num_queries(18) as few:
        page(admin_client)
    for number in range(30):
        make_dead_letter(lane=f"wms:w{number}")
        raise_alert("k", subject=Subject(str(number)), title="t", meaning="m", action="a")
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


def test_what_waits_is_counted_by_its_cause_with_the_list_behind_it(admin_client: Client) -> None:
    long_ago = timezone.now() - timedelta(hours=5)
    parked = [make_job(parked_on=["sku:b:1", "warehouse:7"], parked_since=long_ago) for _ in range(3)]
    raise_alert(
        "outcome_unknown", subject=Subject("wms:order:b:1:1"), title="There?", meaning="m", action="a"
    )
    text = page(admin_client)
    assert re.search(r"<strong[^>]*>3</strong> wait for a SKU mapping", text)
    assert re.search(r"<strong[^>]*>1</strong> to be decided: does the WMS have it", text)
    assert "the oldest for 5" in text
    (url,) = re.findall(r'href="([^"]*cause=sku)"', text)
    found = admin_client.get(url.replace("&amp;", "&")).content.decode()
    assert all(f"/admin/ops/job/{job.id}/change/" in found for job in parked)


def test_an_open_circuit_says_since_when_and_old_orders_for_how_long(admin_client: Client) -> None:
    make_job(lane="wms:z")
    Lane.objects.update(circuit="open", open_until=timezone.now())
    raise_alert("circuit_open", subject=Subject("wms:z"), title="down", meaning="m", action="a")
    long_ago = timezone.now() - timedelta(days=2, hours=1)
    Alert.objects.update(first_at=long_ago)
    make_order(make_shop(), state="held", reason="unmapped_sku", state_since=long_ago)
    text = page(admin_client)
    assert text.count("for 2\xa0days") == 3  # the circuit, its alert, the order


def test_critical_alerts_come_first(admin_client: Client) -> None:
    raise_alert(
        "a", subject=Subject("1"), title="Urgent", meaning="m", action="a", severity=Severity.CRITICAL
    )
    for number in range(10):
        raise_alert("b", subject=Subject(str(number)), title="Later", meaning="m", action="a")
    assert "Urgent" in page(admin_client)
