"""Vendors' words in our vocabulary."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wms.vocabulary.statuses import WmsStatus, parse_status


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("picking", WmsStatus.PICKING),
        ("In Progress", WmsStatus.PICKING),
        ("ReadyToShip", WmsStatus.MANIFESTED),
        ("READY-TO-SHIP", WmsStatus.MANIFESTED),
        ("partially_shipped", WmsStatus.PARTIALLY_SHIPPED),
        ("Canceled", WmsStatus.CANCELLED),
        ("dispatched", WmsStatus.SHIPPED),
        ("weighed", WmsStatus.UNKNOWN),
        ("", WmsStatus.UNKNOWN),
    ],
)
def test_vendor_words_are_read_in_any_spelling(word: str, status: WmsStatus) -> None:
    assert parse_status(word) is status


def test_a_pending_order_at_the_wms_is_one_that_it_has() -> None:
    assert parse_status("pending") is WmsStatus.ACCEPTED


@pytest.mark.parametrize("status", [s for s in WmsStatus if s not in ("pending", "submitting", "unknown")])
def test_our_own_words_mean_themselves(status: WmsStatus) -> None:
    assert parse_status(status.value) is status


@given(st.text())
def test_any_text_has_a_status(word: str) -> None:
    assert parse_status(word) in WmsStatus
