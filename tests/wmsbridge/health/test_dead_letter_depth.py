"""Dead letters: any at all is told, the order submission first, and over once a person saw to each."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from django.test import Client

from ops.models import Alert, Job
from tests.builders import make_dead_letter
from tests.drain import drain
from wmsbridge import health
from wmsbridge.health import dead_letters
from wmsbridge.tasks import measure_health

pytestmark = pytest.mark.django_db

MUG = 201
KIND = "health_dead_letter_depth"


def depth() -> health.Measurement:
    return next(each for each in health.measure() if each.metric.name == "dead_letter_depth")


def alerted() -> Alert:
    measure_health()
    return Alert.objects.get(kind=KIND, state="open")


def test_one_order_that_is_not_submitted_is_told_and_over_once_it_is_replayed(
    scene: Any, admin_client: Client
) -> None:
    scene.wms.fault("POST /north/orders", "400", count=1000)
    scene.arrive((MUG, 1))
    alert = alerted()
    assert alert.title == "Dead letters: 1 of the order submission, 0 of other work"
    assert "Orders do not reach their warehouse: 1 × fulfillment.submit in wms:north" in alert.meaning
    assert "(to place the order at the warehouse), the oldest since" in alert.meaning
    assert "those of the order submission first" in alert.action
    tile = 'data-metric="dead_letter_depth" data-tone="{}"'.format
    assert tile("danger") in admin_client.get("/admin/").content.decode()
    drain()
    assert any(str(alert.title) in f"{message.subject} {message.body}" for message in mail.outbox)
    scene.wms.heal()
    call_command("replay", "--kind", "fulfillment.submit")
    drain()
    measure_health()
    assert not Alert.objects.filter(kind=KIND, state="open").exists()
    assert tile("success") in admin_client.get("/admin/").content.decode()


def test_the_order_submission_is_named_before_what_there_is_more_of() -> None:
    for _ in range(3):
        make_dead_letter("inventory.push", "shop:berlin.myshopify.com")
    make_dead_letter("fulfillment.route", "shop:berlin.myshopify.com/in")
    alert = alerted()
    assert alert.title == "Dead letters: 1 of the order submission, 3 of other work"
    assert alert.meaning.index("fulfillment.route") < alert.meaning.index("3 × inventory.push in shop:berlin")


def test_other_work_alerts_too_until_it_is_discarded() -> None:
    make_dead_letter("inventory.push", "shop:berlin.myshopify.com")
    assert alerted().title == "Dead letters: 0 of the order submission, 1 of other work"
    Job.objects.filter(state="dead").update(state="done")
    assert not depth().crossed


def test_none_at_all_is_normal() -> None:
    assert (depth().reading.value, depth().crossed, depth().reading.detail) == (0, False, "")


def test_metrics_show_the_submission_by_kind_before_the_rest_and_at_0_too(client: Client) -> None:
    make_dead_letter("inventory.push")
    make_dead_letter("shopify.orders/paid")
    text = client.get("/metrics").content.decode()
    found = [line for line in text.splitlines() if line.startswith("wmsbridge_dead_letter_depth_parts{")]
    assert 'kind="fulfillment.submit",queue="submission"} 0.0' in found[0]
    assert any('kind="shopify.orders/paid",queue="submission"} 1.0' in line for line in found)
    assert 'kind="inventory.push",queue="other"} 1.0' in found[-1]


def test_all_work_of_the_submission_queue_counts_as_order_submission() -> None:
    for name in (
        "fulfillment.move",
        "shopify.fulfillment_orders/moved",
        "fulfillment.cancel",
        "unknown.kind",
    ):
        make_dead_letter(name)
    assert {group.kind for group in dead_letters.groups() if group.is_submission} == {
        "fulfillment.move",
        "shopify.fulfillment_orders/moved",
    }
