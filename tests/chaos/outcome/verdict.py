"""The verdict on a run: what the outside checker found to be lost, doubled or wrong, and how long orders took.

It reads only the books of the sandbox.
"""

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
    """The complaints of the checker."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether there is nothing to complain about."""
        return not (self.lost or self.doubled or self.wrong)

    def __str__(self) -> str:
        return f"lost {len(self.lost)}, doubled {len(self.doubled)}, wrong {len(self.wrong)}"


def judge(checker: Checker, further: Iterable[str] = ()) -> Verdict:
    """Judges orders, parcels and stock, and adds further complaints.

    Calls that were slowed down or refused are no complaint here, because faults cause them.
    """
    gone = _cancelled_names(checker.shopify)
    complaints = [*checker.orders(), *checker.stock(), *further]
    complaints += (each for each in checker.parcels() if not _left_after_cancellation(each, gone))
    return classify(complaints)


def classify(complaints: Iterable[str]) -> Verdict:
    """Sorts complaints by what they mean."""
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
    """Whether a parcel left although its order was cancelled.

    Shopify has closed such an order and accepts no fulfilment, so staff get an alert instead.
    """
    return (
        complaint.endswith(": 0 fulfilments instead of one") and complaint.split(", parcel ")[0] in cancelled
    )


def lags(checker: Checker, since: Mapping[Placed, float]) -> list[float]:
    """Returns the seconds from each payment until the order exists at a WMS, sorted."""
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
    """Returns p50, p90, p99 and max of sorted figures."""
    if not seconds:
        return {}
    shares = {f"p{share}": seconds[(len(seconds) - 1) * share // 100] for share in (50, 90, 99)}
    return {**shares, "max": seconds[-1]}
