"""Small things that staff see every day, and that must not mislead."""

from __future__ import annotations

import logging
import re

import pytest
from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.staticfiles import finders
from django.db.models import Field
from django.test import Client
from django.utils.text import capfirst

from ops.models import Alert
from tests.builders import (
    make_connection,
    make_job,
    make_mapping,
    make_order,
    make_shop,
    make_warehouse,
    make_wms_order,
)
from tests.drain import run_next

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("model", ["wms/connection", "wms/warehouse", "skumap/skumapping", "shops/shop"])
def test_what_others_hang_on_is_never_offered_for_deletion(admin_client: Client, model: str) -> None:
    mapping = make_mapping(make_warehouse(make_shop(), make_connection()))
    listed = admin_client.get(f"/admin/{model}/").content.decode()
    assert "delete_selected" not in listed
    logging.disable(logging.CRITICAL)  # the refusal's traceback would take most of the time
    try:
        assert admin_client.get(f"/admin/{model}/{mapping.pk}/delete/").status_code == 403
    finally:
        logging.disable(logging.NOTSET)


def test_a_mapping_to_be_verified_is_no_green_tick(admin_client: Client) -> None:
    make_mapping(make_warehouse(make_shop(), make_connection()), needs_verification=True)
    assert "to verify" in admin_client.get("/admin/skumap/skumapping/").content.decode()


def test_an_icon_is_served_and_asked_for(admin_client: Client) -> None:
    assert admin_client.get("/favicon.ico").headers["Location"] == "/static/wmsbridge/favicon.svg"
    assert finders.find("wmsbridge/favicon.svg")
    assert "wmsbridge/favicon.svg" in admin_client.get("/admin/").content.decode()


def test_an_orders_history_counts_what_there_is(admin_client: Client) -> None:
    order = make_order(make_shop())
    user = User.objects.get(username="admin")
    LogEntry.objects.log_actions(user.pk, [order], CHANGE, change_message="Looked at.")
    text = admin_client.get(f"/admin/fulfillment/order/{order.pk}/history/").content.decode()
    assert "Looked at." in text
    assert "9999999999" not in text


@pytest.mark.parametrize("model", ["wms/connection", "skumap/skumapping", "wms/warehouse", "shops/shop"])
def test_a_form_for_a_new_row_shows_no_expression(admin_client: Client, model: str) -> None:
    assert "DatabaseDefault" not in admin_client.get(f"/admin/{model}/add/").content.decode()


def test_labels_write_abbreviations_and_names_as_they_are_written() -> None:
    ours = ("fulfillment", "inventory", "ops", "shops", "skumap", "wms")
    labels = [
        f"{model._meta.label}: {capfirst(field.verbose_name)}"
        for app in ours
        for model in apps.get_app_config(app).get_models()
        for field in model._meta.get_fields()
        if isinstance(field, Field) and field.name != "id"
    ]
    assert len(labels) > 100
    assert not [
        each for each in labels if re.search(r": .*\b([Ss]ku|[Ww]ms|[Uu]rls?|[Aa]pi|[Ii]ds?|shopify)\b", each)
    ]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("ops/job/?situation=dead", "There are no dead letters: nothing waits for a person."),
        ("ops/alert/?state__exact=open", "No alert is open: nothing needs a person."),
        ("fulfillment/order/?state__exact=held", "No order is held: nothing waits for a person."),
        ("fulfillment/shipment/?state__exact=held", "No shipment is held: nothing waits for a person."),
        ("skumap/skumapping/?needs_verification__exact=1", "No SKU is to be verified."),
        ("fulfillment/order/?state__exact=shipped", "No orders match this."),
        ("fulfillment/order/", "There are no orders yet."),
    ],
)
def test_a_list_that_finds_nothing_says_what_that_means(admin_client: Client, asked: str, said: str) -> None:
    text = admin_client.get(f"/admin/{asked}").content.decode()
    assert said in text
    assert "Create a new item" not in text
    assert ("Add " in text) == asked.startswith("skumap")


def test_a_flag_is_told_in_words_that_judge_nothing(admin_client: Client) -> None:
    order = make_order(make_shop())
    text = admin_client.get(f"/admin/fulfillment/order/{order.pk}/change/").content.decode()
    assert "Test order" in text
    assert "close_small" not in text


def test_pages_and_lists_name_an_order_with_its_shop(admin_client: Client) -> None:
    order = make_order(make_shop(), name="#1008")
    row = make_wms_order(order, make_warehouse(order.shop, make_connection()))
    page = admin_client.get(f"/admin/fulfillment/order/{order.pk}/change/").content.decode()
    assert "#1008 of berlin.myshopify.com" in page
    part = "part 1 of #1008 of berlin.myshopify.com, Berlin (north/BER1)"
    assert part in admin_client.get(f"/admin/fulfillment/wmsorder/{row.pk}/change/").content.decode()
    listed = admin_client.get("/admin/fulfillment/wmsorder/").content.decode()
    assert "#1008 of berlin.myshopify.com" in listed


def test_a_dead_letter_is_told_by_the_order_and_its_shop(admin_client: Client) -> None:
    order = make_order(make_shop(), name="#1008")
    make_job("nobody.knows", subject=order.subject, attempts=99)
    run_next("wms:north")
    alert = Alert.objects.get(kind="dead_letter")
    assert alert.title == "Dead letter: nobody.knows for order #1008 of berlin.myshopify.com"
    assert alert.shop == "berlin.myshopify.com"
    listed = admin_client.get("/admin/ops/job/?situation=dead").content.decode()
    assert "order #1008 of berlin.myshopify.com" in listed
