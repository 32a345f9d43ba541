"""A routing decision in words for people, the same on the order's page and at the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fulfillment.routing.choice import Suitability

_WORDS: Mapping[str, str] = {
    Suitability.INACTIVE: "is not active (or its connection is not)",
    Suitability.PAUSED: "is paused",
    Suitability.COUNTRY: "does not serve the country",
    Suitability.NOT_MAPPED: "does not know every line",
    Suitability.CAPACITY: "has no capacity left today",
    Suitability.NO_ITEM: "has no such item",
    Suitability.STOCK: "does not have enough in stock",
    Suitability.CHOSEN: "chosen",
    Suitability.NOT_NEEDED: "not needed: one before it can send everything",
}
_WITH_DETAIL: Mapping[str, str] = {
    Suitability.COUNTRY: "{}",
    Suitability.NOT_MAPPED: "has no mapping for {}",
    Suitability.NO_ITEM: "has no item {}: its WMS never reported it; correct the SKU mapping, or add the item there",
    Suitability.STOCK: "does not have enough in stock (item: free of needed): {}",
}


@dataclass(frozen=True)
class Finding:
    """What a decision says about one warehouse."""

    warehouse: str
    words: str
    chosen: bool


def explain(assessments: Iterable[Mapping[str, Any]] | None) -> list[Finding]:
    """The assessments of `routing.Decision.as_json`, as stored with an order, in words; none for no decision."""
    return [
        Finding(
            warehouse=str(verdict.get("name", "")),
            words=_words(str(verdict.get("outcome", "")), str(verdict.get("detail", ""))),
            chosen=verdict.get("outcome") == Suitability.CHOSEN,
        )
        for verdict in assessments or ()
    ]


def _words(outcome: str, detail: str) -> str:
    """The words for an outcome; an old row may hold one that we no longer know, which is shown as it is."""
    if detail and outcome in _WITH_DETAIL:
        return _WITH_DETAIL[outcome].format(detail)
    return _WORDS.get(outcome) or f"{outcome} {detail}".strip()
