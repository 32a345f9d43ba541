"""One day at both shops: a dozen orders, each with a fate of its own. The tests tell it under different skies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from fulfillment.models import Order, WmsOrder
from fulfillment.models.states import OrderState, Reason
from ops.models import Alert
from tests.end_to_end.checker import Checker
from tests.end_to_end.installation.stack import Stack
from tests.end_to_end.installation.waiting import until, until_none
from tests.end_to_end.installation.world import BERLIN, LYON, Product
from tests.end_to_end.people import People, Placed


@dataclass(frozen=True)
class Day:
    """The orders by their fate."""

    whole: tuple[Placed, ...]
    kit: Placed
    partial: Placed
    split: Placed
    cancelled: Placed
    unpaid: tuple[Placed, ...]
    unmapped: Placed
    novelty: Product
    unserved: Placed

    @property
    def at_once(self) -> tuple[Placed, ...]:
        """Those that may go to a warehouse as they are."""
        return (*self.whole, self.kit, self.partial, self.split, self.cancelled)

    @property
    def shipped_whole(self) -> tuple[Placed, ...]:
        """Those that end as shipped, in one parcel."""
        return (*self.whole, self.kit, *self.unpaid, self.unmapped)


def customers_order(people: People) -> Day:
    """A dozen orders at two shops."""
    novelty = people.novelty(BERLIN)
    day = Day(
        whole=(
            people.order(BERLIN, "DE", (BERLIN.mug, 1)),
            people.order(BERLIN, "AT", (BERLIN.tee, 2), (BERLIN.mug, 1)),
            people.order(LYON, "FR", (LYON.mug, 3)),
            people.order(LYON, "DE", (LYON.tee, 1)),
        ),
        kit=people.order(LYON, "BE", (LYON.gift_set, 2), (LYON.mug, 1)),
        partial=people.order(BERLIN, "DE", (BERLIN.tee, 3), (BERLIN.socks, 1)),
        split=people.order(BERLIN, "FR", (BERLIN.gift_set, 1), (BERLIN.socks, 2)),
        cancelled=people.order(BERLIN, "DE", (BERLIN.tee, 1)),
        unpaid=(
            people.order(BERLIN, "DE", (BERLIN.tee, 1), paid=False),
            people.order(LYON, "FR", (LYON.socks, 1), paid=False),
        ),
        unmapped=people.order(BERLIN, "DE", (novelty, 2), (BERLIN.mug, 1)),
        novelty=novelty,
        unserved=people.order(LYON, "US", (LYON.mug, 1)),
    )
    people.stack.unserved.add((LYON.domain, day.unserved.id))
    return day


def they_reach_the_warehouses(people: People, day: Day) -> None:
    """What may go is at a WMS, what may not is not, and says why."""
    people.wait_for(*day.at_once)
    until_none(partial(_not_standing, day.unmapped, OrderState.HELD, Reason.UNMAPPED_SKU))
    until_none(partial(_not_standing, day.unserved, OrderState.HELD, Reason.NO_WAREHOUSE))
    for placed in day.unpaid:
        until_none(partial(_not_standing, placed, OrderState.WAITING, Reason.UNPAID))
    for placed in (*day.unpaid, day.unmapped, day.unserved):
        assert not people.at_wms(placed)
    assert "does not serve US" in _row(day.unserved).reason_detail
    assert _alerts("no_warehouse", _row(day.unserved).subject) == 1
    assert _alerts("unmapped_sku", f"sku:{BERLIN.domain}:{day.novelty.variant}") == 1


def people_see_to_the_others(people: People, day: Day) -> None:
    """Payments come in, the missing mapping is imported, a customer changes her mind: each order goes its way."""
    for placed in day.unpaid:
        people.merchant(placed, "pay")
    people.stack.import_skus(BERLIN, day.novelty)
    people.merchant(day.cancelled, "cancel")
    people.wait_for(*day.unpaid, day.unmapped)
    until(lambda: people.at_wms(day.cancelled)[0][1]["status"] == "cancelled", what="cancelled at the WMS")
    assert _alerts("unmapped_sku", f"sku:{BERLIN.domain}:{day.novelty.variant}") == 0


def parcels_leave(people: People, day: Day) -> None:
    """Whole, in part, and in two parcels."""
    for placed in day.shipped_whole:
        people.pick_and_pack(placed)
        people.ship(placed)
    people.ship(day.partial, ("SOCK", 6), ("TEE", 1), carrier="dpd")
    people.ship(day.split, ("MUG", 2), ("BOX", 1), carrier="gls")
    people.ship(day.split)


def all_is_well(stack: Stack, day: Day) -> None:
    """Both sides' books agree, each order stands where it should, and nobody stumbled."""
    stack.settles(Checker.parcels)
    for placed in (*day.shipped_whole, day.split):
        until_none(partial(_not_standing, placed, OrderState.SHIPPED))
    until_none(partial(_not_standing, day.partial, OrderState.PARTIALLY_SHIPPED))
    until_none(partial(_not_standing, day.cancelled, OrderState.CANCELLED))
    stack.reconcile()
    stack.settles(Checker.stock)
    assert stack.checker().complaints() == []
    assert stack.programs.bugs() == []


def create_calls(people: People, placed: Placed) -> int:
    """How often the WMSs were asked to create the order."""
    identity = f"wms:order:{placed.shop.domain}:{placed.id}:"
    books = people.stack.wms.get("/books")["connections"].values()
    calls = [each["create_calls"].items() for each in books]
    return sum(count for found in calls for name, count in found if name.startswith(identity))


def lags(*orders: Placed) -> list[float]:
    """Seconds from an order's first webhook to the WMS's confirmation, sorted."""
    rows = WmsOrder.objects.filter(order__shopify_order_id__in=[each.id for each in orders])
    times = rows.values_list("order__received_at", "accepted_at")
    return sorted((accepted - received).total_seconds() for received, accepted in times if accepted)


def _row(placed: Placed) -> Order:
    return Order.objects.select_related("shop").get(shopify_order_id=placed.id)


def _not_standing(placed: Placed, state: OrderState, reason: Reason = Reason.NONE) -> list[str]:
    """How the order stands, if it is not so."""
    found = Order.objects.filter(shopify_order_id=placed.id).values_list("state", "reason").first()
    return [] if found == (state, reason) else [f"{placed.name} of {placed.shop.domain} is {found}"]


def _alerts(kind: str, subject: str) -> int:
    return Alert.objects.filter(kind=kind, subject=subject, state=Alert.State.OPEN).count()
