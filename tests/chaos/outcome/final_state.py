"""Compares what the application says about itself at the end with the books, and with the alerts that people got."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fulfillment.models import Order, WmsOrder
from fulfillment.models.states import OrderState, Outcome, Reason
from ops.models import Alert, Job
from ops.refs import Subject
from tests.chaos.people.alert_receiver import AlertReceiver
from tests.chaos.people.plans import Fate
from tests.end_to_end.checker import TOO_LATE, Checker, Json
from tests.end_to_end.people import Placed

HELD = {
    Fate.UNSERVED: (OrderState.HELD, Reason.NO_WAREHOUSE, "no_warehouse"),
    Fate.NO_ADDRESS: (OrderState.HELD, Reason.NO_ADDRESS, "order_held_back"),
}
"""Fate -> the state and reason that such an order must have, and the kind of the alert that must be open."""
UNPAID = (OrderState.WAITING, Reason.UNPAID)
"""This is the shop's own policy, so there is no alert."""
PARCEL_OUT = "left the warehouse, and nobody was told"


@dataclass(frozen=True)
class FinalState:
    """Compares the application's rows with the books. `fates` come from the plan."""

    checker: Checker
    receiver: AlertReceiver
    fates: Mapping[tuple[str, int], Fate]

    def complaints(self) -> list[str]:
        """Returns the orders with a wrong state or without an alert, and the work that nobody will finish."""
        return [*self._orders(), *self._jobs(), *self._unknown()]

    def _orders(self) -> Iterator[str]:
        rows = {(row.shop.domain, row.shopify_order_id): row for row in Order.objects.select_related("shop")}
        open_alerts = set(Alert.objects.filter(state=Alert.State.OPEN).values_list("kind", "subject"))
        for domain, order in self.checker.shopify_orders():
            row = rows.get((domain, order["id"]))
            name = f"{order['name']} of {domain}"
            if row is None:
                yield f"{name} is not known to the application"
                continue
            yield from (f"{name} {wrong}" for wrong in self._wrong(row, order, open_alerts))

    def _wrong(self, row: Order, order: Json, open_alerts: set[tuple[str, Subject]]) -> Iterator[str]:
        stands, fate = (row.state, row.reason), self.fates.get((row.shop.domain, row.shopify_order_id))
        if order["cancelled_at"]:
            yield from self._wrong_though_cancelled(row)
        elif order["financial_status"] != "PAID":
            if stands != UNPAID:
                yield f"is not paid, and stands as {stands}"
        elif fate in HELD:
            state, reason, alert = HELD[fate]
            if stands != (state, reason):
                yield f"{fate}, and stands as {stands}"
            if (alert, row.subject) not in open_alerts or not self.receiver.has_received(row.subject):
                yield f"{fate}: no open alert «{alert}», or people were not told"
        elif row.state != OrderState.SHIPPED:
            yield f"should be shipped, and stands as {stands}"

    def _wrong_though_cancelled(self, row: Order) -> Iterator[str]:
        """Checks a cancelled order. When its parcel could not be stopped any more, people must have got an alert."""
        parts = self.checker.at_wms[row.shop.domain, row.shopify_order_id]
        if not any(part["status"] in TOO_LATE for part in parts):
            if row.state != OrderState.CANCELLED:
                yield f"is cancelled, and stands as {(row.state, row.reason)}"
        elif not self.receiver.has_received(row.subject):
            yield f"is cancelled, its parcel {PARCEL_OUT}"

    def _jobs(self) -> Iterator[str]:
        """Finds dead letters, and parked jobs that do not belong to an order that is held as planned."""
        dead = Job.objects.filter(state=Job.State.DEAD).values_list("kind", "error_class", "error")
        for (kind, error_class, error), count in Counter(dead).items():
            yield f"{count} × dead letter {kind}: {error_class} {error[:150]}"
        held = set(Order.objects.filter(state=OrderState.HELD).values_list("shop_id", "shopify_order_id"))
        subjects = {f"order:{shop}:{order}" for shop, order in held}
        for job in Job.objects.filter(state=Job.State.READY).exclude(parked_on=[]):
            if job.subject not in subjects:
                yield f"job {job.pk} {job.kind} for {job.subject} is parked on {job.parked_on[:2]}: {job.error[:150]}"

    def _unknown(self) -> Iterator[str]:
        for row in WmsOrder.objects.filter(outcome=Outcome.UNKNOWN):
            yield f"nobody decided on {row.external_id}"


def by_identity(fates: Mapping[Placed, Fate]) -> dict[tuple[str, int], Fate]:
    """Returns (domain, Shopify's order id) -> fate."""
    return {(placed.shop.domain, placed.id): fate for placed, fate in fates.items()}
