"""`python -m bench.doors` sends what Shopify sends, and compares turns of the same round."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

from bench.doors.measuring import Turn, table
from bench.doors.sender import BODY_BYTES, signed_requests


def test_each_request_is_signed_and_is_about_an_order_of_its_own() -> None:
    numbers = set()
    for request in signed_requests(3, domain="berlin.myshopify.com", secret="secret"):
        head, _, body = request.partition(b"\r\n\r\n")
        signature = base64.b64encode(hmac.new(b"secret", body, hashlib.sha256).digest())
        assert b"X-Shopify-Hmac-Sha256: " + signature in head
        assert f"Content-Length: {len(body)}".encode() in head
        assert 0.9 * BODY_BYTES <= len(body) <= 1.1 * BODY_BYTES
        numbers.add(json.loads(body)["id"])
    assert len(numbers) == 3


def test_a_ratio_is_the_median_of_the_ratios_of_rounds() -> None:
    rounds = [
        [Turn(rate=bare, p50=0.01, p99=0.02, web=1.0, postgres=1.0) for bare in pair]
        for pair in ([1000, 900], [500, 250], [100, 80])
    ]
    lines = list(table(["bare view", "now"], rounds))
    assert lines[0] == "| | bare view | now | now / bare view |"
    assert "| requests a second | 500 | 250 | 0.80 |" in lines
    assert "| p99, ms | 20.0 | 20.0 | 1.00 |" in lines
