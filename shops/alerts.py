"""The alerts about a shop: its credentials, its state at Shopify, its webhooks and its points."""

from __future__ import annotations

from collections.abc import Sequence

from ops.alerting.kinds import AlertKind, Closes
from ops.alerting.own_alerts import SECRET_UNREADABLE
from ops.models import Severity
from shops.models import Shop
from shops.refs import shop_subject

SHOP_REFUSES_CREDENTIALS = AlertKind(
    "shop_refuses_credentials", closes=Closes.ITSELF, severity=Severity.CRITICAL
)
SHOP_FROZEN = AlertKind("shop_frozen", closes=Closes.ITSELF, severity=Severity.CRITICAL)
SHOP_UNINSTALLED = AlertKind("shop_uninstalled", closes=Closes.ITSELF, severity=Severity.CRITICAL)
SUBSCRIPTIONS_REFUSED = AlertKind("subscriptions_refused", closes=Closes.ITSELF)
SHOPIFY_VERSION_FELL_FORWARD = AlertKind("shopify_version_fell_forward", closes=Closes.PERSON)
POINTS_BURNT = AlertKind("points_burnt", closes=Closes.ITSELF)


def shop_refuses_credentials(shop: Shop, *, reason: str) -> None:
    """Shopify refuses our credentials."""
    _no_access(
        shop, title=f"Shopify refuses our credentials for {shop.domain}", because=f"Shopify said: {reason}"
    )


def shop_without_credentials(shop: Shop, *, reason: str) -> None:
    """We have no credentials of the shop that could be sent."""
    _no_access(
        shop,
        title=f"We cannot call {shop.domain} because we have no credentials for it",
        because=f"The reason: {reason}",
    )


def _no_access(shop: Shop, *, title: str, because: str) -> None:
    SHOP_REFUSES_CREDENTIALS.open(
        shop.subject,
        shop=shop.domain,
        title=title,
        meaning="Nothing can be read from this shop or written to it. Its work waits, and nothing is lost. "
        f"{because}",
        action="Check that the app is installed on the shop. Then correct the client ID and secret (or the access "
        "token) of the shop in the console. The waiting work then continues by itself.",
    )


def shop_frozen(shop: Shop, *, reason: str) -> None:
    """Shopify has frozen or locked the shop."""
    SHOP_FROZEN.open(
        shop.subject,
        shop=shop.domain,
        title=f"Shopify has frozen or locked {shop.domain}",
        meaning=f"Shopify answers no call for this shop ({reason}). Its work waits and is tried again every ten "
        "minutes.",
        action="Ask the merchant to settle the shop's bill or status with Shopify. The work then continues by itself.",
    )


def shop_uninstalled(shop: Shop) -> None:
    """The app was removed from the shop."""
    SHOP_UNINSTALLED.open(
        shop.subject,
        shop=shop.domain,
        title=f"The app was uninstalled from {shop.domain}",
        meaning="The shop is switched off here. Its orders, shipments and stock are no longer exchanged. The work that "
        "waits is kept.",
        action="If this was intended, choose «Switch off» for the shop in the console. That closes this alert. "
        "Otherwise install the app again, and correct the shop's credentials if they changed. For a month we try every "
        "hour whether the shop lets us in again. With new credentials, or with «Switch on», we try at once. Then "
        "everything that was missed is read.",
    )


def secret_unreadable(shop: Shop) -> None:
    """A stored secret of the shop cannot be read."""
    SECRET_UNREADABLE.open(
        shop.subject,
        shop=shop.domain,
        title=f"A stored secret of {shop.domain} cannot be read",
        meaning="It was encrypted with a key that is not in FIELD_ENCRYPTION_KEYS, or it belongs to another row or "
        "domain. Webhooks of this shop are answered with 503 (Shopify sends them again for hours), and calls to it "
        "wait. The work of all other shops continues.",
        action="Put the old key back behind the current one, or enter the shop's secrets again in the console. The "
        "waiting work then continues by itself. What was not received meanwhile is read from Shopify.",
    )


def subscriptions_refused(shop: Shop, *, refused: Sequence[tuple[str, str]]) -> None:
    """Shopify refused webhook subscriptions; `refused` holds each topic and what Shopify said."""
    said = "; ".join(f"{topic}: {message}" for topic, message in refused)
    SUBSCRIPTIONS_REFUSED.open(
        shop.subject,
        shop=shop.domain,
        title=f"Shopify refuses {len(refused)} webhook subscriptions of {shop.domain}",
        meaning="We learn of changes of these kinds only when we read missed changes, which is some minutes later. "
        f"Shopify said: {said}",
        action="Give the app the access scopes that these topics need. The subscriptions are checked again every "
        "hour, and this alert closes by itself.",
    )


def shopify_version_fell_forward(shop: Shop, *, served: str) -> None:
    """Shopify answered with another API version than the one we asked for."""
    SHOPIFY_VERSION_FELL_FORWARD.open(
        shop.subject,
        shop=shop.domain,
        title=f"{shop.domain} was asked for API version {shop.api_version} and answered with {served}",
        meaning="Shopify has retired the version that we ask for. Fields may have changed or disappeared, and calls "
        "may fail at any time.",
        action="Update wmsbridge. Then set the shop's API version in the console to the newest one that wmsbridge "
        "supports, and close this alert.",
    )


def points_burnt(
    domain: str, *, work: str, runs_in_row: int, spent: float, needed: float, maximum: float
) -> None:
    """Some work was begun again and again, and ran out of Shopify points each time before its end."""
    POINTS_BURNT.open(
        shop_subject(domain),
        shop=domain,
        title=f"Work for {domain} uses up its Shopify points and is never finished",
        meaning=f"{work} was begun {runs_in_row} times in a row. Each time it spent about {spent:.0f} points, and then "
        f"Shopify refused the rest: it needs {needed:.0f} of the {maximum:.0f} points that {domain} has at most. This "
        "work is not done, and other work for this shop is slower.",
        action="Check whether another app uses up the points of this shop, or whether Shopify lowered them. The work "
        "continues by itself once there are enough points. If it does not, send this text to the engineers.",
    )
