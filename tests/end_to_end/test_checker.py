"""The checker has teeth: one order told well, then spoilt in one place at a time."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import pytest

from tests.end_to_end.checker import Checker, Json, Place

DOMAIN, ORDER = "berlin.myshopify.com", 5001
IDENTITY = f"wms:order:{DOMAIN}:{ORDER}:1"
COUNTS = {"invalid": 0, "unauthorised": 0, "throttled": 0, "rest_429": 0, "errors": []}


def _shopify() -> Json:
    """One gift set (two mugs and a box) sold, and fulfilled; 5 are left."""
    order = {
        "id": ORDER,
        "name": "#1001",
        "cancelled_at": None,
        "test": False,
        "financial_status": "PAID",
        "lines": [{"id": 1, "variant_id": 11, "current_quantity": 1, "requires_shipping": True}],
        "fulfillment_orders": [{"status": "CLOSED"}],
        "fulfillments": [
            {
                "status": "SUCCESS",
                "location_id": 101,
                "tracking": {"company": "DHL", "numbers": ["T1"]},
                "lines": [{"line_id": 1, "quantity": 1}],
            }
        ],
    }
    level = {"inventory_item_id": 21, "location_id": 101, "sku": "GIFT-SET", "available": 5, "committed": 0}
    return {DOMAIN: {"orders": [order], "inventory": [level], **COUNTS}}


def _wms() -> Json:
    lines = [{"wmsItemCode": "MUG", "quantity": 2}, {"wmsItemCode": "BOX", "quantity": 1}]
    parcel = {"externalOrderId": IDENTITY, "warehouse": "BER1", "items": lines}
    stock = [
        {"warehouse": "BER1", "item": "MUG", "available": 10, "allocated": 0},
        {"warehouse": "BER1", "item": "BOX", "available": 9, "allocated": 0},
    ]
    books = {
        "orders": [{"externalOrderId": IDENTITY, "status": "shipped", "lines": lines}],
        "duplicates": [],
        "shipments": [{**parcel, "trackingNumber": "T1", "carrierCode": "dhl"}],
        "stock": stock,
        "unauthorised": 0,
        "refused": 0,
    }
    return {"north": books}


def _complaints(shopify: Json, wms: Json, *, unserved: bool = False) -> str:
    checker = Checker(
        shopify=shopify,
        wms=wms,
        places=[Place(DOMAIN, "north", "BER1", 101, "available")],
        parts={(11, 21): (("MUG", 2), ("BOX", 1))},
        carriers={"dhl": "DHL"},
        unserved={(DOMAIN, ORDER)} if unserved else (),
    )
    return "\n".join(checker.complaints())


def test_nothing_is_wrong_with_an_order_that_went_well() -> None:
    assert _complaints(_shopify(), _wms()) == ""


Spoil = Callable[[Json, Json], object]
"""Changes (the order in Shopify's books, the WMS's books)."""

SPOILT: dict[str, tuple[Spoil, str]] = {
    "twice at the WMS": (
        lambda o, w: w["orders"].append(deepcopy(w["orders"][0])),
        "has {'MUG': 4, 'BOX': 2}",
    ),
    "two rows for one identity": (
        lambda o, w: w["duplicates"].append(IDENTITY),
        "has two orders for wms:order",
    ),
    "not at the WMS": (lambda o, w: w["orders"].clear(), "and has {}"),
    "too little at the WMS": (lambda o, w: w["orders"][0]["lines"].pop(), "and has {'MUG': 2}"),
    "not paid": (lambda o, w: o.update(financial_status="PENDING"), "should have {}"),
    "on hold": (lambda o, w: o["fulfillment_orders"][0].update(status="ON_HOLD"), "should have {}"),
    "a test order": (lambda o, w: o.update(test=True), "should have {}"),
    "cancelled in time": (
        lambda o, w: (o.update(cancelled_at="now"), w["orders"][0].update(status="accepted")),
        "is cancelled, and accepted at the WMS",
    ),
    "unknown to Shopify": (
        lambda o, w: w["orders"].append({**w["orders"][0], "externalOrderId": f"wms:order:{DOMAIN}:7:1"}),
        "which Shopify does not know",
    ),
    "fulfilled twice": (
        lambda o, w: o["fulfillments"].append(deepcopy(o["fulfillments"][0])),
        "2 fulfilments",
    ),
    "not fulfilled": (lambda o, w: o["fulfillments"].clear(), "0 fulfilments"),
    "fulfilled without a parcel": (lambda o, w: w["shipments"].clear(), "no such parcel left"),
    "fulfilled without tracking": (
        lambda o, w: o["fulfillments"][0]["tracking"]["numbers"].clear(),
        "fulfilment [], and no such parcel",
    ),
    "fulfilled in part": (
        lambda o, w: w["shipments"][0]["items"].pop(),
        "Shopify was told {'MUG': 2, 'BOX': 1}",
    ),
    "another carrier": (lambda o, w: o["fulfillments"][0]["tracking"].update(company="UPS"), "was told UPS"),
    "another place": (lambda o, w: o["fulfillments"][0].update(location_id=102), "was told location 102"),
    "stock gone": (lambda o, w: w["stock"][0].update(available=9), "5 at Shopify instead of 4"),
    "allocated, though nobody ordered": (
        lambda o, w: w["stock"][0].update(allocated=3, available=7),
        "instead of 3",
    ),
    "calls refused": (lambda o, w: w.update(refused=1), "north: 1 calls refused"),
}


@pytest.mark.parametrize(("spoil", "complaint"), SPOILT.values(), ids=SPOILT.keys())
def test_it_sees(spoil: Spoil, complaint: str) -> None:
    shopify, wms = deepcopy(_shopify()), deepcopy(_wms())
    spoil(shopify[DOMAIN]["orders"][0], wms["north"])
    assert complaint in _complaints(shopify, wms)


def test_it_sees_an_order_sent_that_nobody_serves() -> None:
    assert "should have {}" in _complaints(_shopify(), _wms(), unserved=True)


def test_sold_but_unknown_to_the_wms_is_not_offered() -> None:
    shopify = _shopify()
    shopify[DOMAIN]["inventory"][0].update(available=3, committed=2)
    assert _complaints(shopify, _wms()) == ""


def test_throttled_calls_are_seen() -> None:
    shopify = _shopify()
    shopify[DOMAIN].update(throttled=1)
    assert f"{DOMAIN}: 1 calls throttled" in _complaints(shopify, _wms())
