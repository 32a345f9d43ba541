"""A worker that was given up goes on after all (its machine stood still): a later attempt has made its word void."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db.models import F

from fulfillment.models import WmsOrder
from fulfillment.wms_orders import attempts
from tests import workers
from tests.fulfillment.one_order import OneOrder
from wms.adapters.base import Capability

pytestmark = pytest.mark.django_db
FIND, REPEAT = Capability.FIND_ORDER, Capability.IDEMPOTENT_CREATE


@pytest.fixture
def staff(settings: Any) -> Iterator[workers.Workers]:
    settings.ALERT_EMAILS = []
    with workers.working() as staff:
        yield staff


def is_given_up(one: OneOrder) -> None:
    one.leases_run_out()
    one.claims_run_out()
    one.waits_pass()


def test_a_late_refusal_says_nothing_of_the_attempt_after_it(staff: workers.Workers) -> None:
    one = OneOrder(frozenset({FIND, REPEAT}), staff)
    one.work("422", at="before a refusal is stored", befalls="hang")
    is_given_up(one)
    one.work("ok", "dies_after")
    one.a_hung_one_goes_on()
    assert WmsOrder.objects.get().wms_status == "submitting"
    one.settle()


def test_that_nothing_was_sent_says_nothing_of_the_attempt_after_it(staff: workers.Workers) -> None:
    one = OneOrder(frozenset({FIND}), staff)
    one.work("unreachable", at="before it is taken back", befalls="hang")
    is_given_up(one)
    WmsOrder.objects.update(attempt_at=F("attempt_at") - attempts.SETTLE_TIME)
    one.work("ok", "dies_after")
    one.a_hung_one_goes_on()
    one.settle()


def test_a_person_is_not_asked_what_is_known_by_now(staff: workers.Workers) -> None:
    one = OneOrder(frozenset(), staff)
    one.work("timeout_after")
    one.waits_pass()
    one.work(at="before a person is asked", befalls="hang")
    is_given_up(one)
    one.work()
    one.waits_pass()
    one.work()
    (running, *_) = one.workers.hung
    one.workers.hung.clear()
    one.a_person_looks()
    one.workers.hung.append(running)
    one.a_hung_one_goes_on()
    one.settle()


def test_an_order_is_not_ended_while_a_later_attempt_places_it(staff: workers.Workers) -> None:
    one = OneOrder(frozenset({FIND}), staff)
    one.work("timeout_before")
    one.time_passes()
    one.the_customer_cancels()
    one.work(at="before an absent one is ended", befalls="hang")
    is_given_up(one)
    WmsOrder.objects.update(attempt=F("attempt") + 1)  # by a worker that had not heard of the cancellation
    one.a_hung_one_goes_on()
    assert WmsOrder.objects.get().wms_status == "submitting"
