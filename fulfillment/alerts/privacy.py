"""The alerts about requests for the data of customers, and for its erasure."""

from __future__ import annotations

from ops.alerting.kinds import AlertKind, Closes
from ops.refs import Subject
from shops.models import Shop

CUSTOMER_DATA_REQUEST = AlertKind("customer_data_request", closes=Closes.PERSON)
SHOP_REDACTION_REFUSED = AlertKind("shop_redaction_refused", closes=Closes.ITSELF_OR_PERSON)


def customer_data_request(shop: Shop, *, subject: Subject, orders: str) -> None:
    """A customer wants to know what is stored about them. `orders`: the Shopify IDs that the request names."""
    CUSTOMER_DATA_REQUEST.open(
        subject,
        shop=shop.domain,
        title=f"A customer of {shop.domain} asks which of their data is stored",
        meaning=f"Shopify forwarded this request. It names these orders: {orders}. The law requires an answer within "
        "30 days.",
        action="Search for each order ID in Orders. What its page shows as «Ship to» is all that is stored. Send this "
        "to the merchant, then close this alert.",
    )


def shop_redaction_refused(shop: Shop) -> None:
    """We were asked to erase the data of a shop, but the app is still installed there."""
    SHOP_REDACTION_REFUSED.open(
        shop.subject,
        shop=shop.domain,
        title=f"We were asked to erase the data of {shop.domain}, but the app is still installed",
        meaning="A webhook asked us to erase the data of all customers of this shop. Shopify asks for this only after "
        "the app was removed, but Shopify still lets us in. So nothing was erased. Either the webhook is late (the "
        "app was installed again meanwhile), or it was sent by somebody other than Shopify.",
        action="Ask the merchant whether the app was removed and installed again. If it was, close this alert. If it "
        "was not, replace the app's client secret in Shopify and here.",
    )
