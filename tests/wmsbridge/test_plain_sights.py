"""Small things that staff see every day, and that must not mislead."""

from __future__ import annotations

import logging

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.staticfiles import finders
from django.test import Client

from tests.builders import make_connection, make_mapping, make_order, make_shop, make_warehouse

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
