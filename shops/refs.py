"""References to shops and to what Shopify's notices are about."""

from __future__ import annotations

from typing import NamedTuple

from ops import refs
from ops.refs import LaneName, ParkKey, Subject
from shops.ids import ShopPk


class ShopRef(NamedTuple):
    """A shop by its row or by its domain; the other of the two is None."""

    pk: ShopPk | None
    domain: str | None


class NoticeRef(NamedTuple):
    """Something of a shop that a notice is about: what it is, and Shopify's id of it."""

    name: str
    shop_pk: ShopPk
    number: int


def shop_lane(domain: str) -> LaneName:
    """The lane of calls to a shop."""
    return LaneName(f"shop:{domain}")


def shop_key(shop_pk: ShopPk) -> ParkKey:
    """What work waits for that needs a shop which is switched on and lets us in."""
    return ParkKey(f"shop:{shop_pk}")


def shop_share(shop_pk: ShopPk) -> str:
    """The share of a shop in a lane that serves several."""
    return f"shop:{shop_pk}"


def shop_subject(domain: str) -> Subject:
    """What is about a shop as such."""
    return Subject(f"shop:{domain}")


def shop_pk_subject(shop_pk: ShopPk) -> Subject:
    """What is about a shop as such, where its notices are: they name it by its row."""
    return Subject(f"shop:{shop_pk}")


def question_subject(domain: str, question: str) -> Subject:
    """One question of a customer to a shop: each has an alert of its own."""
    return Subject(f"shop:{domain} {question}")


def parse_shop(text: str) -> ShopRef | None:
    """The shop that a subject, a park key or a lane names; None where it names none."""
    parts = refs.parts_of(refs.endpoint_of(text), "shop", 1)
    if parts is None:
        return None
    domain = parts[0].partition(" ")[0]
    number = refs.number_in(domain)
    return ShopRef(None, domain) if number is None else ShopRef(ShopPk(number), None)


def notice_subject(name: str, shop_pk: ShopPk, number: int) -> Subject:
    """What a notice is about, e.g. "order:<shop>:<Shopify's id>"."""
    return Subject(f"{name}:{shop_pk}:{number}")


def parse_notice(subject: str, *, name: str) -> NoticeRef | None:
    """What of a shop a notice, or a job that follows it, is about; None where it is about something else."""
    parts = refs.parts_of(subject, name, 2)
    if parts is None:
        return None
    shop_pk, number = map(refs.number_in, parts)
    return None if shop_pk is None or number is None else NoticeRef(name, ShopPk(shop_pk), number)
