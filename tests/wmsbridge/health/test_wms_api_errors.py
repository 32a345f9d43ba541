"""WMS API errors: what passes apart from what does not, WMS by WMS, told at once and over once it is cured."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from django.db.models import F
from django.test import Client
from django.utils import timezone

from fulfillment.models import WmsOrder
from fulfillment.tasks import look_up_all
from ops.models import Alert, Job, JobAttempt, Lane
from tests.builders import make_dead_letter, make_job
from tests.drain import drain
from wms.availability import warehouses
from wms.models import Connection
from wmsbridge import health
from wmsbridge.tasks import measure_health

pytestmark = pytest.mark.django_db

MUG = 201
KIND = "health_wms_api_errors"
Cure = Callable[[], object]


def errors() -> health.Measurement:
    return next(each for each in health.measure() if each.metric.name == "wms_api_errors")


def fail(wms: str, times: int, outcome: str = "transient", *, state: str = "ready") -> None:
    """So many runs against the WMS failed a moment ago, each of a job of its own."""
    names = {
        "transient": "Transient",
        "unknown": "UnknownOutcome",
        "permanent": "Permanent",
        "bug": "KeyError",
    }
    for _ in range(times):
        job = make_job(lane=f"wms:{wms}", state=state)
        JobAttempt.objects.create(
            job=job, attempt=1, outcome=outcome, error_class=names[outcome], error="HTTP 503"
        )


def succeed(wms: str, times: int) -> None:
    for _ in range(times):
        make_job(lane=f"wms:{wms}", state="done", finished_at=timezone.now())


def pass_time(minutes: float) -> None:
    JobAttempt.objects.update(ended_at=F("ended_at") - timedelta(minutes=minutes))


def work() -> None:
    """Back-offs and open circuits are over, and what is due is done."""
    for _ in range(8):
        drain(advance=timedelta(minutes=2))


def alerted() -> Alert:
    measure_health()
    return Alert.objects.get(kind=KIND, state="open")


def is_over(client: Client) -> bool:
    measure_health()
    tile = 'data-metric="wms_api_errors" data-tone="success"'
    return (
        not Alert.objects.filter(kind=KIND, state="open").exists()
        and tile in client.get("/admin/").content.decode()
    )


def refuses_an_order(scene: Any) -> Cure:
    """One order is refused for good; the WMS is corrected, and staff replay the dead letter."""
    scene.wms.fault("POST /north/orders", "400", count=1000)
    scene.arrive((MUG, 1))
    return lambda: (scene.wms.heal(), call_command("replay", "--kind", "fulfillment.submit"))


def refuses_credentials(scene: Any) -> Cure:
    """The token is no longer valid; staff enter another."""
    scene.wms.fault("POST /north/orders", "401", count=1000)
    scene.arrive((MUG, 1))

    def cure() -> None:
        scene.wms.heal()
        scene.berlin.connection.save()
        warehouses.connection_changed(scene.berlin.connection)

    return cure


def is_down(scene: Any) -> Cure:
    """It answers every call 503, until it is up again."""
    for call in ("POST", "GET"):
        scene.wms.fault(f"{call} /north/orders", "503", count=1000)
    scene.arrive((MUG, 1))
    work()
    return scene.wms.heal


@pytest.mark.parametrize(
    ("happens", "title", "said", "to_do"),
    [
        (
            refuses_an_order,
            "north: 1 × Permanent persists",
            "north answered 400",
            "Open Dead letters of lane wms:north",
        ),
        (
            refuses_credentials,
            "north: refuses our credentials",
            "HTTP 401",
            "Correct the token of the connection north",
        ),
        (is_down, "north: does not answer", "HTTP 503", "ask the people who run it"),
    ],
)
def test_an_error_that_persists_is_told_at_once_and_over_once_it_is_cured(
    scene: Any, happens: Callable[[Any], Cure], title: str, said: str, to_do: str, admin_client: Client
) -> None:
    cure = happens(scene)
    alert = alerted()
    assert alert.title == f"WMS API errors: {title}"
    assert said in alert.meaning
    assert f"since {timezone.now():%d %b }" in alert.meaning
    assert to_do in alert.action
    assert 'data-metric="wms_api_errors" data-tone="danger"' in admin_client.get("/admin/").content.decode()
    drain()
    assert any(str(alert.title) in f"{message.subject} {message.body}" for message in mail.outbox)
    cure()
    work()
    pass_time(16)
    assert is_over(admin_client)


def test_the_failures_of_one_wms_are_not_thinned_out_by_the_successes_of_another(
    admin_client: Client,
) -> None:
    fail("north", 6)
    succeed("north", 14)
    succeed("south", 300)
    alert = alerted()
    assert alert.title == "WMS API errors: north: 30 % of 20 runs failed"
    assert "6 of 20 runs of the last hour failed and are tried again: 6 × Transient, since" in alert.meaning
    assert "The threshold is 5 %" in alert.meaning
    assert "If they go on, ask the people who run it" in alert.action
    pass_time(16)
    assert is_over(admin_client)


def test_each_wms_is_named_with_its_types_those_that_persist_first() -> None:
    fail("north", 9)
    fail("north", 2, "unknown")
    make_dead_letter(lane="wms:south", error="unknown item")
    alert = alerted()
    assert alert.title == "WMS API errors: south: 1 × Permanent persists; north: 100 % of 11 runs failed"
    assert "south: 1 × Permanent persists, since" in alert.meaning
    assert "The last error: unknown item" in alert.meaning
    assert "9 × Transient, 2 × UnknownOutcome" in alert.meaning


def test_a_few_errors_that_pass_are_no_alarm() -> None:
    fail("north", 4)
    fail("south", 4)
    assert not errors().crossed
    fail("north", 1)
    assert errors().crossed


def test_a_share_below_the_threshold_is_no_alarm() -> None:
    fail("north", 5)
    succeed("north", 95)
    assert errors().reading.value == 5
    assert not errors().crossed


def test_a_permanent_error_is_over_when_its_job_is_done_and_not_when_it_is_tried_again() -> None:
    fail("north", 1, "permanent", state="ready")
    assert "north: 1 × Permanent persists" in errors().reading.detail
    Job.objects.update(state="done", finished_at=timezone.now())
    assert not errors().crossed


def test_a_dead_letter_persists_however_old_it_is() -> None:
    make_dead_letter()
    Job.objects.update(finished_at=timezone.now() - timedelta(days=40))
    JobAttempt.objects.all().delete()
    assert errors().crossed


def test_our_own_bugs_and_inboxes_are_no_errors_of_a_wms() -> None:
    fail("north", 9, "bug")
    fail("north/in", 9, "permanent")
    job = make_dead_letter(error_class="KeyError")
    JobAttempt.objects.filter(job=job).update(outcome="bug")
    make_dead_letter(lane="shop:berlin.myshopify.com")
    assert (errors().reading.value, errors().crossed) == (0, False)


def test_an_order_of_which_a_wms_refuses_to_tell_is_an_error_of_that_wms(scene: Any) -> None:
    order = scene.arrive((MUG, 1))
    WmsOrder.objects.update(look_up_at=timezone.now() - timedelta(hours=1))
    scene.wms.fault("GET /north/orders", "400", count=1000)
    look_up_all()
    work()
    alert = alerted()
    assert alert.title == "WMS API errors: north: refuses to be asked about orders"
    assert order["name"] in alert.meaning
    scene.wms.heal()
    WmsOrder.objects.update(look_up_at=timezone.now() - timedelta(hours=1))
    look_up_all()
    work()
    assert not errors().crossed


def test_a_lane_that_rests_as_it_was_asked_to_is_no_error() -> None:
    make_job()
    Lane.objects.update(circuit="open", open_until=timezone.now())
    assert not errors().crossed


def test_a_wms_that_is_down_and_was_switched_off_is_not_waited_for(scene: Any) -> None:
    is_down(scene)
    assert "north: does not answer" in alerted().title
    Connection.objects.filter(slug="north").update(is_active=False)
    pass_time(16)
    assert not errors().crossed


def test_metrics_show_the_errors_by_wms_and_type(client: Client) -> None:
    fail("north", 6)
    make_dead_letter(lane="wms:south")
    text = client.get("/metrics").content.decode()
    part = "wmsbridge_wms_api_errors_parts"
    assert f'{part}{{error_class="Transient",kind="transient",wms="north"}} 6.0' in text
    assert f'{part}{{error_class="Permanent",kind="permanent",wms="south"}} 1.0' in text
