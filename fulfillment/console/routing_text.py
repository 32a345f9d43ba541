"""A routing decision in words for people: the same words on the order's page and at the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fulfillment.routing.choice import PassedOver

_WORDS: Mapping[str, str] = {
    PassedOver.INACTIVE: "is not active (or its connection is not)",
    PassedOver.PAUSED: "is paused",
    PassedOver.COUNTRY: "does not serve the country",
    PassedOver.NOT_MAPPED: "does not know every line",
    PassedOver.CAPACITY: "has no capacity left today",
    PassedOver.NO_ITEM: "has no such item",
    PassedOver.STOCK: "has not enough in stock",
    PassedOver.CHOSEN: "chosen",
    PassedOver.NOT_NEEDED: "not needed: one before it can send everything",
}
_WITH_DETAIL: Mapping[str, str] = {
    PassedOver.COUNTRY: "{}",
    PassedOver.NOT_MAPPED: "has no mapping for {}",
    PassedOver.NO_ITEM: "has no item {}: its WMS never reported it; correct the SKU mapping, or add the item there",
    PassedOver.STOCK: "has not enough in stock (item: free of needed): {}",
}


@dataclass(frozen=True)
class Finding:
    """What a decision says about one warehouse."""

    warehouse: str
    words: str
    chosen: bool


def explain(verdicts: Iterable[Mapping[str, Any]] | None) -> list[Finding]:
    """The verdicts of `routing.Decision.as_json`, as stored with an order, in words; none for no decision."""
    return [
        Finding(
            warehouse=str(verdict.get("name", "")),
            words=_words(str(verdict.get("outcome", "")), str(verdict.get("detail", ""))),
            chosen=verdict.get("outcome") == PassedOver.CHOSEN,
        )
        for verdict in verdicts or ()
    ]


def _words(outcome: str, detail: str) -> str:
    if detail and outcome in _WITH_DETAIL:
        return _WITH_DETAIL[outcome].format(detail)
    return _WORDS.get(outcome) or f"{outcome} {detail}".strip()
