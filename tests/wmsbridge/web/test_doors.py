"""What is posted to a door meets no middleware for people, and is answered with the same headers as all else."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from structlog.testing import capture_logs

from ops.doors import refusals
from ops.doors.refusals import Why
from tests.builders import make_connection, make_shop
from tests.shops.webhooks.delivery import deliver as shopify_delivers
from tests.wms.callbacks.test_events import envelope
from tests.wms.callbacks.test_receiver import deliver as wms_delivers
from wmsbridge.web.headers import FOR_MACHINES

pytestmark = pytest.mark.django_db

PROTECTED = {
    "Content-Security-Policy": FOR_MACHINES,
    "Content-Type": "application/json",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@pytest.fixture(autouse=True)
def senders() -> None:
    make_shop()
    make_connection()


@pytest.mark.parametrize("secret", ["shop-secret", "guess"])
def test_every_answer_has_the_headers_of_machines_and_no_cookie(client: Client, secret: str) -> None:
    answer = shopify_delivers(client, secret=secret)
    assert {name: answer.headers[name] for name in PROTECTED} == PROTECTED
    assert not answer.cookies


def test_a_delivery_is_one_line_in_the_log(client: Client) -> None:
    with capture_logs() as lines:
        assert shopify_delivers(client).status_code == 200
        assert wms_delivers(envelope(), secret="wms-secret").status_code == 200
    assert [line["event"] for line in lines] == ["webhook_received", "callback_received"]


def test_no_middleware_for_people_is_run(client: Client, settings: Any) -> None:
    place = settings.MIDDLEWARE.index("wmsbridge.web.doors.straight_to_the_doors")
    assert not [name for name in settings.MIDDLEWARE[:place] if "session" in name or "auth" in name]
    settings.MIDDLEWARE = settings.MIDDLEWARE[: place + 1]
    assert shopify_delivers(client).status_code == 200


def test_a_door_under_a_name_that_is_not_ours_is_refused_and_counted(client: Client) -> None:
    assert shopify_delivers(client, headers={"Host": "elsewhere.example"}).status_code == 400
    assert [each.why for each in refusals.read()] == [Why.WRONG_ADDRESS]


def test_what_is_below_the_doors_and_is_none_is_not_found(client: Client) -> None:
    assert client.post("/webhooks/nobody/", secure=True).status_code == 404
