"""References to connections and warehouses, and to what callbacks are about."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.refs import inbound
from tests.references import hostile_ids, slugs
from wms import refs
from wms.ids import ConnectionPk, WarehousePk
from wms.refs import CallbackRef


def test_spellings_are_those_of_stored_rows() -> None:
    assert refs.connection_lane("north") == "wms:north"
    assert refs.connection_key(ConnectionPk(2)) == "connection:2"
    assert refs.connection_subject("north") == "connection:north"
    assert refs.warehouse_key(WarehousePk(4)) == "warehouse:4"
    assert refs.warehouse_subject(WarehousePk(4)) == "warehouse:4"
    assert refs.unknown_warehouse_subject("north", "BER1") == "north/BER1"
    assert refs.unread_fields_subject("north", "a, b") == "north: a, b"
    assert refs.callback_subject("north", "W-1:a") == "wms:north:W-1:a"


@given(slug=slugs, about=hostile_ids)
def test_what_a_callback_is_about_is_found_by_its_subject(slug: str, about: str) -> None:
    subject = refs.callback_subject(slug, about)
    assert refs.parse_callback(subject) == CallbackRef(slug, about)
    assert refs.parse_slug(subject) == slug


@given(slugs)
def test_a_connection_is_found_by_each_of_its_lanes(slug: str) -> None:
    lane = refs.connection_lane(slug)
    assert refs.parse_slug(lane) == refs.parse_slug(inbound(lane)) == slug


@pytest.mark.parametrize("text", ["", "wms", "wms:", "wms:north", "wms:north:", "shop:north:1", "wms::1"])
def test_what_is_no_callback_s_subject_is_none(text: str) -> None:
    assert refs.parse_callback(text) is None


@given(st.sets(slugs))
def test_connections_are_found_by_the_cause_that_names_them(named: set[str]) -> None:
    assert refs.parse_connections(refs.connections_cause(named)) == sorted(named)


@pytest.mark.parametrize("text", ["", "wms", "wms:", "shop:north", "connection:north"])
def test_what_names_no_connection_by_its_slug_is_none(text: str) -> None:
    assert refs.parse_slug(text) is None
