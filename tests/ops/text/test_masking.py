"""What staff see of payloads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ops.errors import Permanent
from ops.text.masking import MASKED, mask_personal, mask_text

PAYLOADS = Path(__file__).parents[2] / "payloads" / "shopify"
PERSON = ("@", "Steve", "Bob", "Norman", "Fake Street", "Chestnut")


def test_everything_under_a_personal_key_is_masked() -> None:
    payload = {"shippingAddress": {"zip": "10115", "lines": ["a", {"x": 1}]}, "id": 5}
    masked = {"shippingAddress": {"zip": MASKED, "lines": [MASKED, {"x": MASKED}]}, "id": 5}
    assert mask_personal(payload) == masked


def test_numbers_states_and_our_own_names_stay() -> None:
    payload = {"wmsOrderId": "W1", "status": "packed", "quantity": 3, "warehouse_name": "Berlin"}
    assert mask_personal(payload) == payload


def test_empty_values_and_booleans_stay_visible() -> None:
    payload = {"email": None, "phone": "", "buyer_accepts_marketing": True}
    assert mask_personal(payload) == payload


@pytest.mark.parametrize("file", sorted((PAYLOADS / "exemplars").glob("orders-*.json")), ids=lambda f: f.name)
def test_no_person_is_left_in_recorded_orders(file: Path) -> None:
    masked = json.dumps(mask_personal(json.loads(file.read_text())))
    assert not [word for word in PERSON if word in masked]


@pytest.mark.parametrize(
    "person",
    [
        "ada.l+x@mail.b.example",
        "+49 170 1234567",
        "+491701234567",
        "0170 1234567",
        "(030) 123-4567",
        "0170/1234567",
    ],
)
def test_addresses_and_numbers_of_people_leave_a_text(person: str) -> None:
    assert mask_text(f"refused: {person}, call back") == f"refused: {MASKED}, call back"


@pytest.mark.parametrize(
    "ours",
    [
        "wms:order:berlin.myshopify.com:5000000001013:1",
        "item 0012345678905 is unknown",
        "tracking 00340434161094042557",
        "at 2026-10-05T12:30:45.123+00:00",
        "2026-10-05 12:30:45",
        "422: 0 of 10 units, part 01-02-03",
        "warehouse BER1, postcode 10115",
    ],
)
def test_ids_codes_and_times_stay(ours: str) -> None:
    assert mask_text(ours) == ours


def test_what_is_known_of_the_customer_leaves_a_text_however_it_is_written() -> None:
    known = ["Ada Lovelace", "Lovelace", "Main Street 1", "0170 123 4567", "Li", ""]
    told = "ADA  LOVELACE (lovelace) of main street 1, tel. +49 (0)170-1234567; Lightning, list"
    assert mask_text(told, known=known) == f"{MASKED} ({MASKED}) of {MASKED}, tel. {MASKED}; Lightning, list"


def test_no_error_carries_an_address_into_the_database_a_log_or_a_mail() -> None:
    assert str(Permanent("no such recipient: ada@b.example")) == f"no such recipient: {MASKED}"
