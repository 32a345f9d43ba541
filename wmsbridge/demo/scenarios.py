"""The scenarios of the demo. A scenario says what is ordered, what people do about it, and how the order must end."""

from __future__ import annotations

import enum
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fulfillment.models.states import OrderState, Reason
from wmsbridge.demo.world import NORTHERN, SOUTHERN, STORES, Store, Variant

SPECIAL_EVERY = 12
"""After the opening, one order of this many is cancelled, split or shipped in part. The others are plain."""


class Shipping(enum.StrEnum):
    """How the warehouse ships an order: whole, in two parcels, only in part, or never."""

    WHOLE = "whole"
    TWO = "two"
    PART = "part"
    NEVER = "never"


@dataclass(frozen=True)
class Scenario:
    """What happens to one order: what is ordered, and the state in which it must end.

    `after_placing` and `at_warehouse` say what the merchant does at Shopify, as a verb and the seconds after the order
    was placed, or after it arrived at the warehouse.
    """

    title: str
    store: Store
    order: dict[str, Any]
    final_state: OrderState = OrderState.SHIPPED
    reason: Reason = Reason.NONE
    shipping: Shipping = Shipping.WHOLE
    after_placing: tuple[str, float] | None = None
    at_warehouse: tuple[str, float] | None = None
    unmapped: Variant | None = None

    @property
    def has_planned_wait(self) -> bool:
        """Whether the order waits on purpose on its way to the warehouse, so that its lag means nothing."""
        return self.after_placing is not None or self.unmapped is not None


def _lines(store: Store, *skus: tuple[str, int]) -> list[dict[str, int]]:
    by_sku = {variant.sku[2:]: variant for variant in store.variants}
    return [{"variant_id": by_sku[sku].id, "quantity": quantity} for sku, quantity in skus]


def _order(store: Store, country: str, *skus: tuple[str, int], **more: Any) -> dict[str, Any]:
    return {"lines": _lines(store, *skus), "country": country, **more}


def opening_scenarios() -> Iterator[Scenario]:
    """The scenarios of every demo. Their order shows many different things early."""
    berlin, paris = STORES
    yield Scenario("plain", berlin, _order(berlin, "DE", ("TEE-M", 1)))
    yield Scenario(
        "SKU not mapped yet",
        berlin,
        _order(berlin, "AT", ("NEW", 1), ("CAP-RED", 1)),
        unmapped=berlin.unmapped,
    )
    yield Scenario(
        "three lines", paris, _order(paris, "FR", ("HOOD-S", 1), ("MUG-BLUE", 2), ("BAG-SMALL", 1))
    )
    yield Scenario(
        "nobody serves the US",
        paris,
        _order(paris, "US", ("MUG-WHITE", 1)),
        final_state=OrderState.HELD,
        reason=Reason.NO_WAREHOUSE,
        shipping=Shipping.NEVER,
    )
    yield _split(berlin, "FR")
    yield _cancelled(berlin, "DE")
    yield _partial(paris, "BE")
    yield Scenario("kit and pack", berlin, _order(berlin, "NL", ("SET-DESK", 2), ("PEN-X6", 1)))
    unpaid = _order(paris, "DE", ("SOCK-42", 3), paid=False)
    yield Scenario("paid later", paris, unpaid, after_placing=("pay", 4.0))
    held = _order(paris, "IT", ("CAP-BLUE", 1), hold="OTHER")
    yield Scenario("on hold, then released", paris, held, after_placing=("release", 5.0))


def _split(store: Store, country: str) -> Scenario:
    order = _order(store, country, ("SOCK-39", 2), ("NOTE-A4", 1))
    return Scenario("two shipments", store, order, shipping=Shipping.TWO)


def _cancelled(store: Store, country: str) -> Scenario:
    order = _order(store, country, ("TEE-L", 1))
    final_state, at_warehouse = OrderState.CANCELLED, ("cancel", 0.5)
    return Scenario(
        "cancelled", store, order, final_state=final_state, shipping=Shipping.NEVER, at_warehouse=at_warehouse
    )


def _partial(store: Store, country: str) -> Scenario:
    order = _order(store, country, ("BAG-LARGE", 1), ("PEN-BLACK", 4))
    return Scenario(
        "shipped in part", store, order, final_state=OrderState.PARTIALLY_SHIPPED, shipping=Shipping.PART
    )


def all_scenarios(rng: random.Random) -> Iterator[Scenario]:
    """The opening scenarios, then an endless series of plain orders with a special one now and then."""
    yield from opening_scenarios()
    number = 0
    while True:
        number += 1
        store = rng.choice(STORES)
        country = rng.choice(NORTHERN + SOUTHERN)
        if number % SPECIAL_EVERY == 0:
            yield rng.choice([_split, _cancelled, _partial])(store, country)
        else:
            yield _plain(store, country, rng)


def _plain(store: Store, country: str, rng: random.Random) -> Scenario:
    mapped = [variant for variant in store.variants if variant.mapped]
    chosen = rng.sample(mapped, rng.choice([1, 1, 1, 2, 3]))
    lines = [{"variant_id": variant.id, "quantity": rng.choice([1, 1, 2])} for variant in chosen]
    return Scenario("plain", store, {"lines": lines, "country": country})
