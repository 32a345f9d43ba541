"""References to shops and to the subjects of Shopify's webhooks."""

from __future__ import annotations

from typing import NamedTuple

from ops import refs
from ops.refs import LaneName, ParkKey, Subject
from shops.ids import ShopPk


class ShopRef(NamedTuple):
    """A shop by the key of its row or by its domain; the other of the two is None."""

    pk: ShopPk | None
    domain: str | None


class WebhookSubject(NamedTuple):
    """The subject of a webhook: the kind of object, and Shopify's id of it."""

    name: str
    shop_pk: ShopPk
    number: int


def shop_lane(domain: str) -> LaneName:
    """The lane of calls to a shop."""
    return LaneName(f"shop:{domain}")


def shop_key(shop_pk: ShopPk) -> ParkKey:
    """Return the park key of work that waits for the shop to be switched on or to accept our credentials."""
    return ParkKey(f"shop:{shop_pk}")


def shop_partition(shop_pk: ShopPk) -> str:
    """Return the partition of a shop in a lane that serves several."""
    return f"shop:{shop_pk}"


def shop_subject(domain: str) -> Subject:
    """Return the subject of a shop."""
    return Subject(f"shop:{domain}")


def shop_pk_subject(shop_pk: ShopPk) -> Subject:
    """Return the subject of a shop's webhooks that name no object; they use the key of its row."""
    return Subject(f"shop:{shop_pk}")


def question_subject(domain: str, question: str) -> Subject:
    """Return the subject of one customer's question to a shop; each question has its own alert."""
    return Subject(f"shop:{domain} {question}")


def parse_shop(text: str) -> ShopRef | None:
    """Return the shop that a subject, a park key or a lane names; None if it names none."""
    parts = refs.parts_of(refs.endpoint_of(text), "shop", 1)
    if parts is None:
        return None
    domain = parts[0].partition(" ")[0]
    number = refs.number_in(domain)
    return ShopRef(None, domain) if number is None else ShopRef(ShopPk(number), None)


def webhook_subject(name: str, shop_pk: ShopPk, number: int) -> Subject:
    """Return the subject of a webhook, e.g. "order:<shop>:<Shopify's id>"."""
    return Subject(f"{name}:{shop_pk}:{number}")


def parse_webhook_subject(subject: str, *, name: str) -> WebhookSubject | None:
    """Return what the subject of a webhook, or of a job that follows it, names; None if it names something else."""
    found = refs.numbered(subject, name)
    number = refs.number_in(found[1]) if found else None
    return WebhookSubject(name, ShopPk(found[0]), number) if found and number is not None else None
