"""References to orders, and to what became of them at WMSs."""

from __future__ import annotations

import pytest
from hypothesis import given

from fulfillment import refs
from fulfillment.refs import OrderPk, OrderRef, ShipmentRef, WmsOrderRef
from shops.ids import FulfillmentOrderId, ShopifyOrderId, ShopPk
from tests.references import domains, hostile_ids, rows, slugs
from wms.ids import ConnectionPk, ExternalId, RemoteOrderId, RemoteReturnId, RemoteShipmentId
from wms.refs import CallbackRef, callback_subject, parse_callback

PART = ExternalId("wms:order:berlin.myshopify.com:1001:2")


def test_spellings_are_those_of_stored_rows() -> None:
    shop, connection = ShopPk(3), ConnectionPk(2)
    assert refs.order_key(OrderPk(17)) == "order:17"
    assert refs.order_subject(shop, ShopifyOrderId(1001)) == "order:3:1001"
    assert refs.fulfillment_order_subject(shop, FulfillmentOrderId(88)) == "fulfillment_order:3:88"
    assert refs.external_subject(PART) == "wms:order:berlin.myshopify.com:1001:2"
    assert refs.decision_key(PART) == "decision:wms:order:berlin.myshopify.com:1001:2"
    assert refs.arrival_key(connection, RemoteOrderId("W:1")) == "wms_order:2:W:1"
    assert refs.unknown_order_subject(connection, RemoteOrderId("W:1")) == "wms_order:2:W:1"
    assert refs.unknown_return_subject(connection, RemoteReturnId("R-1")) == "return:2:R-1"
    assert refs.unknown_status_subject("north", "en route") == "north:en route"
    assert refs.shipment_subject(connection, RemoteShipmentId("S:1")) == "shipment:2:S:1"
    assert refs.backfill_subject("berlin.myshopify.com", "orders") == "backfill:berlin.myshopify.com:orders"


def test_spellings_are_those_that_warehouses_were_told() -> None:
    assert refs.part_external_id("berlin.myshopify.com", ShopifyOrderId(1001), 2) == PART
    assert refs.return_external_id(PART) == "wms:order:berlin.myshopify.com:1001:2:return"
    assert refs.unannounced_return_external_id(PART, RemoteReturnId("R:1")) == f"{PART}:return:R:1"
    assert refs.cancel_key(PART) == "wms:order:berlin.myshopify.com:1001:2:cancel"
    assert refs.reduction_key(PART, 3) == "wms:order:berlin.myshopify.com:1001:2:change:3"


def test_long_words_of_others_have_room_where_they_are_stored() -> None:
    assert len(refs.unknown_status_subject("north", "x" * 500)) == 300
    assert len(refs.unannounced_return_external_id(PART, RemoteReturnId("x" * 500))) == 300


@given(shop=rows, order=rows)
def test_an_order_is_found_by_its_subject(shop: int, order: int) -> None:
    named = OrderRef(ShopPk(shop), ShopifyOrderId(order))
    assert refs.parse_order(refs.order_subject(*named)) == named


@pytest.mark.parametrize(
    "text", ["", "order:17", "order:3:5:7", "order:x:5", "wms:order:3:5", "fulfillment_order:3:5"]
)
def test_what_is_about_no_order_is_none(text: str) -> None:
    assert refs.parse_order(text) is None


@given(connection=rows, shipment=hostile_ids)
def test_a_shipment_is_found_by_its_subject(connection: int, shipment: str) -> None:
    named = ShipmentRef(ConnectionPk(connection), RemoteShipmentId(shipment))
    assert refs.parse_shipment(refs.shipment_subject(*named)) == named


@given(domain=domains, order=rows, part=rows, remote=hostile_ids)
def test_a_part_is_found_by_its_external_id_and_by_those_of_its_returns(
    domain: str, order: int, part: int, remote: str
) -> None:
    named = WmsOrderRef(domain, ShopifyOrderId(order), part)
    own = refs.part_external_id(*named)
    returns = (refs.return_external_id(own), refs.unannounced_return_external_id(own, RemoteReturnId(remote)))
    for text in (own, *returns):
        assert refs.parse_external_id(text) == named


@given(slug=slugs, remote=hostile_ids)
def test_a_callback_is_not_taken_for_an_external_id(slug: str, remote: str) -> None:
    assert slug == "order" or refs.parse_external_id(callback_subject(slug, remote)) is None


@pytest.mark.parametrize(
    "remote", ["W-1", "5", "5:1", "A:5:1", "wms:order:berlin.myshopify.com:5:1", "a.b:c:1", "a.b:5:x"]
)
def test_a_connection_called_order_is_told_from_our_external_ids(remote: str) -> None:
    subject = callback_subject("order", remote)
    assert refs.parse_external_id(subject) is None
    assert parse_callback(subject) == CallbackRef("order", remote)


@pytest.mark.parametrize("behind", [":change:1", ":returned", ":", " "])
def test_what_is_no_order_s_and_no_return_s_external_id_is_none(behind: str) -> None:
    assert refs.parse_external_id(PART + behind) is None
