"""What happens to the demo's orders: each plot is an order, what people do about it, and how it must end."""

from __future__ import annotations

import enum
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fulfillment.models.states import OrderState, Reason
from wmsbridge.demo.world import NORTHERN, SOUTHERN, STORES, Store, Variant

REGULAR_BEAT = 12
"""After the opening, one order in so many is cancelled, split or shipped in part; the others are plain."""


class Shipping(enum.StrEnum):
    """How the warehouse ships."""

    WHOLE = "whole"
    TWO = "two"
    PART = "part"
    NEVER = "never"


@dataclass(frozen=True)
class Plot:
    """One order's story: what is ordered, and how it must end.

    `after_placing` and `at_warehouse`: (verb, seconds after) of what the merchant does at Shopify.
    """

    title: str
    store: Store
    order: dict[str, Any]
    ends: OrderState = OrderState.SHIPPED
    reason: Reason = Reason.NONE
    shipping: Shipping = Shipping.WHOLE
    after_placing: tuple[str, float] | None = None
    at_warehouse: tuple[str, float] | None = None
    unmapped: Variant | None = None

    @property
    def waits_for_people(self) -> bool:
        """Whether its way to the warehouse has a planned wait, so that its lag says nothing."""
        return self.after_placing is not None or self.unmapped is not None


def _lines(store: Store, *skus: tuple[str, int]) -> list[dict[str, int]]:
    by_sku = {variant.sku[2:]: variant for variant in store.variants}
    return [{"variant_id": by_sku[sku].id, "quantity": quantity} for sku, quantity in skus]


def _order(store: Store, country: str, *skus: tuple[str, int], **more: Any) -> dict[str, Any]:
    return {"lines": _lines(store, *skus), "country": country, **more}


def opening() -> Iterator[Plot]:
    """The stories every demo tells, in an order that shows much early."""
    berlin, paris = STORES
    yield Plot("plain", berlin, _order(berlin, "DE", ("TEE-M", 1)))
    yield Plot(
        "SKU not mapped yet",
        berlin,
        _order(berlin, "AT", ("NEW", 1), ("CAP-RED", 1)),
        unmapped=berlin.unmapped,
    )
    yield Plot("three lines", paris, _order(paris, "FR", ("HOOD-S", 1), ("MUG-BLUE", 2), ("BAG-SMALL", 1)))
    yield Plot(
        "nobody serves the US",
        paris,
        _order(paris, "US", ("MUG-WHITE", 1)),
        ends=OrderState.HELD,
        reason=Reason.NO_WAREHOUSE,
        shipping=Shipping.NEVER,
    )
    yield _split(berlin, "FR")
    yield _cancelled(berlin, "DE")
    yield _partial(paris, "BE")
    yield Plot("kit and pack", berlin, _order(berlin, "NL", ("SET-DESK", 2), ("PEN-X6", 1)))
    unpaid = _order(paris, "DE", ("SOCK-42", 3), paid=False)
    yield Plot("paid later", paris, unpaid, after_placing=("pay", 4.0))
    held = _order(paris, "IT", ("CAP-BLUE", 1), hold="OTHER")
    yield Plot("on hold, then released", paris, held, after_placing=("release", 5.0))


def _split(store: Store, country: str) -> Plot:
    order = _order(store, country, ("SOCK-39", 2), ("NOTE-A4", 1))
    return Plot("two shipments", store, order, shipping=Shipping.TWO)


def _cancelled(store: Store, country: str) -> Plot:
    order = _order(store, country, ("TEE-L", 1))
    ends, at_warehouse = OrderState.CANCELLED, ("cancel", 0.5)
    return Plot("cancelled", store, order, ends=ends, shipping=Shipping.NEVER, at_warehouse=at_warehouse)


def _partial(store: Store, country: str) -> Plot:
    order = _order(store, country, ("BAG-LARGE", 1), ("PEN-BLACK", 4))
    return Plot("shipped in part", store, order, ends=OrderState.PARTIALLY_SHIPPED, shipping=Shipping.PART)


def stories(chance: random.Random) -> Iterator[Plot]:
    """The opening, then plain orders with a special one now and then, for ever."""
    yield from opening()
    number = 0
    while True:
        number += 1
        store = chance.choice(STORES)
        country = chance.choice(NORTHERN + SOUTHERN)
        if number % REGULAR_BEAT == 0:
            yield chance.choice([_split, _cancelled, _partial])(store, country)
        else:
            yield _plain(store, country, chance)


def _plain(store: Store, country: str, chance: random.Random) -> Plot:
    mapped = [variant for variant in store.variants if variant.mapped]
    chosen = chance.sample(mapped, chance.choice([1, 1, 1, 2, 3]))
    lines = [{"variant_id": variant.id, "quantity": chance.choice([1, 1, 2])} for variant in chosen]
    return Plot("plain", store, {"lines": lines, "country": country})
