"""What the doors refused, told to staff: one alert for each sender, apart by whether it was signed.

Whoever knows an address can be refused there for a wrong signature, so such an alert says that it may be a stranger and
is looked at once a tick, however many knock. What is refused behind a valid signature comes from the sender itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from ops import redis
from ops.alerting.alerts import close_alerts, raise_alert
from ops.doors import refusals
from ops.doors.refusals import SIGNED, Door, Refused, Why
from ops.models import Alert, Severity
from shops.models import Shop
from wms.models import Connection

QUIET = timedelta(hours=6)
"""The alert closes when nothing was refused for so long. Not sooner: a stranger who comes back would be news again."""

UNSIGNED, CONTENT, UNKNOWN = "refused_unsigned", "refused_content", "refused_unknown_sender"
KINDS = (UNSIGNED, CONTENT, UNKNOWN)

_LOST = {
    Door.WMS: "What these callbacks told is not here: a shipment among them is a parcel whose tracking does not reach "
    "the customer, a level among them is stock that stands still until it is read",
    Door.SHOPIFY: "What these webhooks told is read again within minutes, so orders come late; a wish of a customer "
    "for their data, or for its erasure, is not",
}
_WORDS = {
    Why.WRONG_ADDRESS: "the address is not quite right (http for https, another host name, no slash at its end)",
    Why.BROKEN_OFF: "the body was cut off, came too slowly, or without a length that can be read",
    Why.TOO_LARGE: "the body is too large",
    Why.UNKNOWN_SENDER: "nobody of this name is known",
    Why.NO_SECRET: "no secret is stored to check the signature with",
    Why.NO_SIGNATURE: "there is no signature",
    Why.SIGNATURE: "the signature does not fit",
    Why.HEADER: "a header is missing or malformed",
    Why.NOT_JSON: "the body is no JSON",
    Why.CONTENT: "the body is outside the contract",
    Why.TIME_ZONE: "the connection's time zone is unknown on this machine",
}
_ADVICE = dict.fromkeys(Why, "Ask the sender what it sends.") | {
    Why.WRONG_ADDRESS: "Enter the address at the sender exactly as the console shows it; ALLOWED_HOSTS names its host.",
    Why.TOO_LARGE: "Have the sender send less at once, or raise MAX_BODY_BYTES.",
    Why.NO_SECRET: "Enter the secret in the console.",
    Why.CONTENT: "Have the sender correct what is named here.",
    Why.TIME_ZONE: "Choose a zone that is in the list of the connection's page, or update the package tzdata.",
}
_CLOSES = f"It closes by itself after {QUIET // timedelta(hours=1)} hours without a refusal."
_SECRET = {
    Door.WMS: "Compare the callback secret of the connection with what the WMS signs with",
    Door.SHOPIFY: "Compare the shop's client secret (or webhook secret) with the app's in Shopify",
}


def tell() -> None:
    """Raise, refresh and close the alerts. Without Redis nothing is known, and nothing changes."""
    if not redis.available():
        return
    try:
        refusals.know(_senders())
        over = timezone.now() - QUIET
        found = refusals.read()
        for each in found:
            if each.last < over:
                refusals.forget(each)
        _alert([each for each in found if each.last >= over])
    except redis.RedisError:
        redis.failed()


def _senders() -> list[tuple[Door, str]]:
    shops = Shop.objects.values_list("domain", flat=True)
    connections = Connection.objects.values_list("slug", flat=True)
    return [*((Door.SHOPIFY, name) for name in shops), *((Door.WMS, name) for name in connections)]


def _alert(found: Sequence[Refused]) -> None:
    by_alert: defaultdict[tuple[str, str], list[Refused]] = defaultdict(list)
    for each in found:
        by_alert[_kind(each), f"{each.door}:{each.sender or 'unknown'}"].append(each)
    with transaction.atomic():
        for (kind, subject), refused in sorted(by_alert.items(), key=lambda each: each[0]):
            if any(each.count > each.told for each in refused):
                _RAISE[kind](subject, refused)
        opened = Alert.objects.filter(kind__in=KINDS, state=Alert.State.OPEN)
        for kind, subject in opened.values_list("kind", "subject"):
            if (kind, subject) not in by_alert:
                close_alerts(kind, subjects=[subject])
    refusals.told(found)


def _kind(refused: Refused) -> str:
    if not refused.sender:
        return UNKNOWN
    return CONTENT if refused.why in SIGNED else UNSIGNED


def _raise_unsigned(subject: str, refused: Sequence[Refused]) -> None:
    latest = refused[0]
    sent = latest.door.sent
    raise_alert(
        UNSIGNED,
        subject=subject,
        cause=latest.why,
        title=f"{latest.sender}: {sent} are refused at the door: {_words(latest)}",
        meaning=f"{_told(refused)} Whoever knows the address can send these, so it may be a stranger, who gets "
        f"nothing by it. If it is the real sender, nothing of what it tells arrives. {_LOST[latest.door]}.",
        action=f"See whether {sent} of {latest.sender} arrive otherwise (Jobs, its lane). If none do: "
        f"{_ADVICE[latest.why]} {_SECRET[latest.door]}. {_CLOSES}",
    )


def _raise_content(subject: str, refused: Sequence[Refused]) -> None:
    latest = refused[0]
    raise_alert(
        CONTENT,
        subject=subject,
        severity=Severity.CRITICAL,
        cause=f"{latest.why} {latest.detail}",
        title=f"{latest.sender}: {latest.door.sent} with a valid signature are refused: {_words(latest)}",
        meaning=f"{_told(refused)} {_LOST[latest.door]}.",
        action=f"{_ADVICE[latest.why]} Then have what was refused sent again. {_CLOSES}",
    )


def _raise_unknown(subject: str, refused: Sequence[Refused]) -> None:
    latest = refused[0]
    sent, whom = latest.door.sent, "shop" if latest.door == Door.SHOPIFY else "connection"
    raise_alert(
        UNKNOWN,
        subject=subject,
        severity=Severity.INFO,
        cause=latest.why,
        title=f"{sent.capitalize()} come for a {whom} that does not exist here",
        meaning=f"{_told(refused)} The last one named {latest.detail or 'none'}. It may be a stranger who tries "
        f"addresses. If it is a {whom} of yours under another name, nothing of what it tells arrives.",
        action=f"If the name is one of yours, correct the address at the sender, or add the {whom}. Otherwise there is "
        f"nothing to do. {_CLOSES}",
    )


_RAISE = {UNSIGNED: _raise_unsigned, CONTENT: _raise_content, UNKNOWN: _raise_unknown}


def _told(refused: Sequence[Refused]) -> str:
    """How often, why, since when and until when."""
    reasons = ", ".join(f"{each.count} × {_words(each)}" for each in refused)
    first, last = min(each.first for each in refused), max(each.last for each in refused)
    return f"Refused since {first:%Y-%m-%d %H:%M} UTC, last at {last:%Y-%m-%d %H:%M} UTC: {reasons}."


def _words(refused: Refused) -> str:
    words = _WORDS[refused.why]
    return f"{words} ({refused.detail})" if refused.detail and refused.sender else words
