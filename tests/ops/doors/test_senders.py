"""What a process keeps of a sender never outlives a change of its row, whoever makes it and whenever."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest
from django.test import Client

from ops.doors import deliveries, refusals
from ops.doors.refusals import Why
from ops.models import Job
from shops.models import Shop
from tests.builders import make_shop
from tests.shops.webhooks.delivery import deliver

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def kept(client: Client) -> Shop:
    """A shop whose row is kept in this process."""
    shop = make_shop()
    assert deliver(client, webhook_id="before").status_code == 200
    return shop


def change(**fields: str) -> None:
    """As another process does: nothing in this one is told."""
    Shop.objects.update(**fields)


@contextmanager
def at_the_storing(act: Callable[[], object], *, times: int = 1) -> Iterator[None]:
    """Acts after the signature was checked and before the delivery is stored, so many times."""
    keep, left = deliveries.keep, [act] * times

    def after(*arguments: Any, **options: Any) -> Any:
        if left:
            left.pop()()
        return keep(*arguments, **options)

    with mock.patch.object(deliveries, "keep", after):
        yield


def is_stored(webhook_id: str) -> bool:
    return Job.objects.filter(key__endswith=f":{webhook_id}").exists()


def test_a_replaced_secret_counts_from_the_next_request_on(client: Client) -> None:
    change(webhook_secret="new")
    assert deliver(client, secret="shop-secret", webhook_id="old").status_code == 401
    assert deliver(client, secret="new", webhook_id="new").status_code == 200
    assert (is_stored("old"), is_stored("new")) == (False, True)


def test_a_secret_that_was_replaced_is_good_while_it_is_the_previous_one(client: Client) -> None:
    change(webhook_secret="new", webhook_secret_previous="shop-secret")
    assert deliver(client, secret="shop-secret", webhook_id="a").status_code == 200
    change(webhook_secret_previous="")
    assert deliver(client, secret="shop-secret", webhook_id="b").status_code == 401


def test_a_sender_that_was_deleted_is_unknown_at_once(client: Client) -> None:
    Shop.objects.all().delete()
    assert deliver(client, webhook_id="after").status_code == 401
    assert not is_stored("after")


def test_a_sender_that_was_made_anew_is_another_one(client: Client, kept: Shop) -> None:
    Shop.objects.all().delete()
    anew = make_shop()
    assert anew.pk != kept.pk
    assert deliver(client, webhook_id="after").status_code == 200
    assert Job.objects.get(key__endswith=":after").subject == f"order:{anew.pk}:5"


def test_who_signs_with_a_replaced_secret_is_refused_for_that_and_learns_no_more(client: Client) -> None:
    change(webhook_secret="new")
    answer = deliver(client, raw=b"not JSON", secret="shop-secret")
    assert (answer.status_code, [each.why for each in refusals.read()]) == (401, [Why.SIGNATURE])


def test_a_known_webhook_that_is_signed_with_a_replaced_secret_is_no_duplicate(client: Client) -> None:
    change(webhook_secret="new")
    assert deliver(client, webhook_id="before").status_code == 401


def test_a_secret_that_is_replaced_between_check_and_storing_counts(client: Client) -> None:
    with at_the_storing(lambda: change(webhook_secret="new")):
        assert deliver(client, webhook_id="meanwhile").status_code == 401
    assert not is_stored("meanwhile")


def test_another_change_between_check_and_storing_costs_only_a_reading(client: Client) -> None:
    with at_the_storing(lambda: change(client_secret="other")):
        assert deliver(client, webhook_id="meanwhile").status_code == 200
    assert is_stored("meanwhile")


def test_one_that_changes_again_and_again_is_asked_to_send_it_again(client: Client) -> None:
    values = iter("abcdefgh")
    with at_the_storing(lambda: change(client_secret=next(values)), times=8):
        assert deliver(client, webhook_id="meanwhile").status_code == 503
    assert not is_stored("meanwhile")
