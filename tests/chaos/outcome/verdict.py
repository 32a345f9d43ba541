"""The sentence on a run: what the outside checker complains of, sorted into lost, doubled and wrong; and how long
orders took. Only the sandboxes' books are read."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.end_to_end.checker import Checker
from tests.end_to_end.people import Placed

LOST = re.compile(r"and has \{\}$|: 0 fulfilments instead of one$")
DOUBLED = re.compile(r"has two orders for |: [1-9]\d* fulfilments instead of one$")


@dataclass(frozen=True)
class Verdict:
    """The checker's complaints."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Nothing to complain about."""
        return not (self.lost or self.doubled or self.wrong)

    def __str__(self) -> str:
        return f"lost {len(self.lost)}, doubled {len(self.doubled)}, wrong {len(self.wrong)}"


def judge(checker: Checker, further: Iterable[str] = ()) -> Verdict:
    """Orders, parcels and stock, and further complaints. Calls that were slowed down or refused are no violation here:
    faults do that."""
    gone = _cancelled_names(checker.shopify)
    complaints = [*checker.orders(), *checker.stock(), *further]
    complaints += (each for each in checker.parcels() if not _left_after_cancellation(each, gone))
    return sort_out(complaints)


def sort_out(complaints: Iterable[str]) -> Verdict:
    """By what they mean."""
    verdict = Verdict()
    for each in complaints:
        if LOST.search(each):
            verdict.lost.append(each)
        elif DOUBLED.search(each):
            verdict.doubled.append(each)
        else:
            verdict.wrong.append(each)
    return verdict


def _cancelled_names(shopify: Mapping[str, Any]) -> Collection[str]:
    return {
        f"{order['name']} of {domain}"
        for domain, books in shopify.items()
        for order in books["orders"]
        if order["cancelled_at"]
    }


def _left_after_cancellation(complaint: str, cancelled: Collection[str]) -> bool:
    """A parcel that left although its order was cancelled cannot be told: Shopify has closed the order. Staff are."""
    return (
        complaint.endswith(": 0 fulfilments instead of one") and complaint.split(", parcel ")[0] in cancelled
    )


def lags(checker: Checker, since: Mapping[Placed, float]) -> list[float]:
    """Seconds from payment to the order's existence at a WMS, sorted."""
    first: dict[str, float] = {}
    for books in checker.wms.values():
        for order in books["orders"]:
            _, _, domain, number, _ = order["externalOrderId"].split(":")
            made = datetime.fromisoformat(order["created_at"]).timestamp()
            key = f"{domain}:{number}"
            first[key] = min(made, first.get(key, made))
    found = ((first.get(f"{placed.shop.domain}:{placed.id}"), began) for placed, began in since.items())
    return sorted(max(0.0, made - began) for made, began in found if made is not None)


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Of sorted figures: p50, p90, p99 and max."""
    if not seconds:
        return {}
    told = {f"p{share}": seconds[(len(seconds) - 1) * share // 100] for share in (50, 90, 99)}
    return {**told, "max": seconds[-1]}
