"""What staff see of payloads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ops.masking import MASKED, mask_personal

PAYLOADS = Path(__file__).parent.parent / "payloads" / "shopify"
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
