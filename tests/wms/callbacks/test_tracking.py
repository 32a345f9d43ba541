from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wms.callbacks import tracking
from wms.callbacks.events import parse_shipment

UPS = ("1Z999AA10123456784", "1Z999AA10123456785")


@pytest.mark.parametrize(
    "between", [",", ", ", ";", " ; ", "\n", "\r\n", "\t", "|", "/", " / ", " ", "  ", " & ", "+"]
)
def test_a_joined_list_is_split(between: str) -> None:
    assert tracking.split_numbers(between.join(UPS)) == [*UPS]


@pytest.mark.parametrize(
    "number",
    [
        "1Z 999 AA1 01 2345 6784",
        "RR 123 456 789 DE",
        "9400 1000 0000 0000 0000 00",
        "AB 1234 5678 9GB",
        "2024/000123",
        "JJD-0002-2331-3422",
        "DHL 00340434161094042557",
        "T1",
    ],
)
def test_a_number_that_is_written_in_groups_stays_one(number: str) -> None:
    assert tracking.split_numbers(number) == [number]


@given(
    st.lists(st.text("ABCDEFGHJ0123456789", min_size=10, max_size=20), max_size=6), st.sampled_from(",;\n|")
)
def test_no_number_of_a_list_is_lost(numbers: list[str], between: str) -> None:
    found = tracking.read(numbers=[between.join(numbers)], urls=[], carrier="")
    assert list(found.numbers) == list(dict.fromkeys(numbers))


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "ftp://carrier.example/1",
        "//carrier.example/1",
        "https://",
        "http://[",
        "https://user:secret@carrier.example/1",
        "https://carrier.example/a b",
        'https://carrier.example/"><script>',
        "https://carrier.example/" + "x" * 3000,
        "carrier.example/1",
    ],
)
def test_a_link_that_customers_must_not_be_sent_to_is_named_and_left_out(link: str) -> None:
    found = tracking.read(numbers=["N1"], urls=[link], carrier="")
    assert (found.numbers, found.urls) == (("N1",), ())
    assert len(found.unusable) == 1


def test_links_are_kept_whole_whichever_field_they_come_in() -> None:
    link, other = "https://carrier.example/t?a=1,2;3&b=x/y", "HTTP://carrier.example/2"
    found = tracking.read(numbers=["N1", link], urls=[f"{other}, {link}"], carrier="")
    assert (found.numbers, found.urls, found.unusable) == (("N1",), (other, link), ())


def test_a_number_that_is_too_long_is_named_and_never_cut() -> None:
    found = tracking.read(numbers=["9" * 300, "N1"], urls=[], carrier="")
    assert (found.numbers, len(found.unusable)) == (("N1",), 1)


def test_the_contract_takes_one_or_several_of_each() -> None:
    body = {
        "wmsOrderId": "W",
        "wmsShipmentId": "S",
        "shippedItems": [{"wmsItemCode": "MUG", "quantityShipped": 1}],
        "shippedAt": "2027-01-01T00:00:00Z",
    }
    several = {
        "trackingNumber": UPS[0],
        "trackingNumbers": [UPS[0], UPS[1], None],
        "trackingUrl": "https://a.example/1",
        "trackingUrls": "https://a.example/2",
        "carrierCode": "A carrier nobody knows",
    }
    found = parse_shipment({**body, **several}).tracking
    assert found.numbers == UPS
    assert found.urls == ("https://a.example/1", "https://a.example/2")
    assert found.carrier == "A carrier nobody knows"
    assert parse_shipment({**body, "trackingNumber": ",".join(["9" * 20] * 90)}).tracking.numbers == (
        "9" * 20,
    )
    assert parse_shipment(body).tracking == tracking.Tracking()


@pytest.mark.parametrize(
    "text", ["1Z999" + " " * 9_900 + "b", "http://a" + ", " * 4_900 + "b", "1," * 5_000, "/" * 9_999]
)
def test_nothing_in_a_number_or_a_link_takes_long_to_read(text: str) -> None:
    began = time.process_time()
    tracking.read(numbers=[text], urls=[text], carrier="")
    assert time.process_time() - began < 0.1


def test_more_than_anybody_reads_is_not_read_and_said() -> None:
    said = tracking.read(numbers=[f"TRK{n}" * 1_000 for n in range(10)], urls=[], carrier="dhl")
    assert any("more than 20000 characters" in why for why in said.unusable)


def test_a_number_that_is_written_with_wide_gaps_stays_one() -> None:
    assert tracking.read(numbers=["1Z 999  AA1\t"], urls=[], carrier="").numbers == ("1Z 999 AA1",)
