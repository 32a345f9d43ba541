"""The alerts about requests that the doors refused: without a valid signature, with one, or for an unknown sender."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from ops.alerting.kinds import AlertKind, Closes
from ops.doors.refusals import Door, Refused, Why
from ops.models import Severity
from ops.refs import Subject

QUIET = timedelta(hours=6)
"""The alert closes when nothing was refused for this long. If it closed sooner, a stranger who comes back would raise
it again and again."""

_MAY_BE_A_WMS = "the sender may be a WMS, which several shops may share"

REFUSED_UNSIGNED = AlertKind("refused_unsigned", closes=Closes.ITSELF, of_no_shop=_MAY_BE_A_WMS)
REFUSED_CONTENT = AlertKind(
    "refused_content", closes=Closes.ITSELF, severity=Severity.CRITICAL, of_no_shop=_MAY_BE_A_WMS
)
REFUSED_UNKNOWN_SENDER = AlertKind(
    "refused_unknown_sender",
    closes=Closes.ITSELF,
    severity=Severity.INFO,
    of_no_shop="nobody of this name is known",
)

_LOST = {
    Door.WMS: "What these callbacks said is missing here. If one of them reported a shipment, the tracking does not "
    "reach the customer. If one of them reported stock, that stock is out of date until it is read",
    Door.SHOPIFY: "What these webhooks said is read from Shopify within minutes, so orders arrive late. But a "
    "customer's request for their data, or for its erasure, is not read again",
}
_WORDS = {
    Why.WRONG_ADDRESS: "the address is not quite right (http instead of https, another host name, or no slash at its "
    "end)",
    Why.BROKEN_OFF: "the body was cut off, came too slowly, or came without a readable length",
    Why.TOO_LARGE: "the body is too large",
    Why.UNKNOWN_SENDER: "nobody of this name is known",
    Why.NO_SECRET: "no secret is stored to check the signature with",
    Why.NO_SIGNATURE: "there is no signature",
    Why.SIGNATURE: "the signature does not match",
    Why.HEADER: "a header is missing or malformed",
    Why.NOT_JSON: "the body is not JSON",
    Why.CONTENT: "the body is outside the contract",
    Why.TIME_ZONE: "the connection's time zone is unknown on this machine",
}
_ADVICE = dict.fromkeys(Why, "Ask the sender what it sends.") | {
    Why.WRONG_ADDRESS: "Enter the address at the sender exactly as the console shows it. ALLOWED_HOSTS names its host.",
    Why.TOO_LARGE: "Ask the sender to send less at once, or raise MAX_BODY_BYTES.",
    Why.NO_SECRET: "Enter the secret in the console.",
    Why.CONTENT: "Ask the sender to correct what is named here.",
    Why.TIME_ZONE: "Choose a time zone from the list on the connection's page, or update the package tzdata.",
}
_SECRET = {
    Door.WMS: "Compare the callback secret of the connection with the secret that the WMS uses to sign",
    Door.SHOPIFY: "Compare the shop's client secret (or webhook secret) with the app's secret in Shopify",
}
_CLOSES = f"This alert closes by itself after {QUIET // timedelta(hours=1)} hours without a refusal."


def refused_unsigned(subject: Subject, refused: Sequence[Refused]) -> None:
    """Something came under a known name and without a valid signature: anyone can send that. The latest is first."""
    latest = refused[0]
    sent = latest.door.sent
    REFUSED_UNSIGNED.open(
        subject,
        shop=_shop(latest),
        cause=latest.why,
        title=f"{latest.sender}: {sent} are refused: {_words(latest)}",
        meaning=f"{_listed(refused)} Everybody who knows the address can send such requests, so this may be a "
        "stranger, who gains nothing by it. If it is the real sender, nothing that it sends reaches us. "
        f"{_LOST[latest.door]}.",
        action=f"Check whether other {sent} of {latest.sender} arrive (Jobs, its lane). If none do: "
        f"{_ADVICE[latest.why]} {_SECRET[latest.door]}. {_CLOSES}",
    )


def refused_content(subject: Subject, refused: Sequence[Refused]) -> None:
    """The sender itself sent something that cannot be used: its signature is valid. The latest is first."""
    latest = refused[0]
    REFUSED_CONTENT.open(
        subject,
        shop=_shop(latest),
        cause=f"{latest.why} {latest.detail}",
        title=f"{latest.sender}: {latest.door.sent} with a valid signature are refused: {_words(latest)}",
        meaning=f"{_listed(refused)} {_LOST[latest.door]}.",
        action=f"{_ADVICE[latest.why]} Then have the refused {latest.door.sent} sent again. {_CLOSES}",
    )


def refused_unknown_sender(subject: Subject, refused: Sequence[Refused]) -> None:
    """Something names a shop or connection that does not exist here. The latest is first."""
    latest = refused[0]
    sent, whom = latest.door.sent, "shop" if latest.door == Door.SHOPIFY else "connection"
    REFUSED_UNKNOWN_SENDER.open(
        subject,
        shop=None,
        cause=latest.why,
        title=f"{sent.capitalize()} arrive for a {whom} that does not exist here",
        meaning=f"{_listed(refused)} The last one named {latest.detail or 'none'}. This may be a stranger who tries "
        f"addresses. If it is one of your own {whom}s under another name, nothing that it sends reaches us.",
        action=f"If the name is one of yours, correct the address at the sender, or add the {whom}. Otherwise you need "
        f"not do anything. {_CLOSES}",
    )


def _shop(refused: Refused) -> str | None:
    return refused.sender if refused.door == Door.SHOPIFY else None


def _listed(refused: Sequence[Refused]) -> str:
    """A sentence that says how often, why, since when and until when requests were refused."""
    reasons = ", ".join(f"{each.count} × {_words(each)}" for each in refused)
    first, last = min(each.first for each in refused), max(each.last for each in refused)
    return f"Refused since {first:%Y-%m-%d %H:%M} UTC, last at {last:%Y-%m-%d %H:%M} UTC: {reasons}."


def _words(refused: Refused) -> str:
    words = _WORDS[refused.why]
    return f"{words} ({refused.detail})" if refused.detail and refused.sender else words
