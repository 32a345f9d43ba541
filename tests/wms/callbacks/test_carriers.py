"""Carrier codes in Shopify's spelling."""

from __future__ import annotations

import pytest

from wms.callbacks.carriers import shopify_carrier


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("dhl", "DHL"),
        ("DHL Express", "DHL Express"),
        ("dhl-express", "DHL Express"),
        ("UPS", "UPS"),
        ("fedex", "FedEx"),
        ("usps", "USPS"),
        ("dpd", "DPD"),
        ("gls", "GLS"),
        ("hermes", "Hermes"),
        ("royal_mail", "Royal Mail"),
        ("postnord_se", "PostNord SE"),
        ("Colis Privé", "Colis Privé"),
        ("4px", "4PX"),
        ("  DHL  ", "DHL"),
        ("«DHL.Express»", "DHL Express"),
        ("ROYAL  MAIL", "Royal Mail"),
        ("Österreichische Post", "Österreichische Post"),
    ],
)
def test_known_codes_get_the_name_that_shopify_links(code: str, name: str) -> None:
    assert shopify_carrier(code) == name


def test_an_unknown_code_comes_back_as_given() -> None:
    assert shopify_carrier(" Kurier Krause ") == "Kurier Krause"
    assert shopify_carrier("") == ""
