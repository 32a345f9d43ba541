"""`route ORDER`: explains the state of an order and where it would go now. Writes nothing."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from fulfillment.console import routing_text, search
from fulfillment.models import Order
from fulfillment.routing import preparation
from fulfillment.routing.preparation import RoutingPlan


class Command(BaseCommand):
    """Takes the decision of the routing job again, with the stock and the warehouses of this moment."""

    help = "Explain where an order would be routed now, warehouse by warehouse. Changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The command line."""
        parser.add_argument("order", help="name (#1001), Shopify id or our own id")
        parser.add_argument("--shop", default="", help="domain, when several shops have such an order")

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError if the text means no order, or several."""
        order = find_order(options["order"], domain=options["shop"].strip().lower())
        self._write_state(order)
        found = preparation.plan(order)
        if found is None:
            self.stdout.write("Nothing to route now: the decision below, if any, is the last one taken.")
            self._write_findings(order.routing)
            return
        self._write_plan(order, found)

    def _write_state(self, order: Order) -> None:
        self.stdout.write(
            f"Order {order.name} of {order.shop.domain} (Shopify {order.shopify_order_id}, ours {order.pk})"
        )
        reason = f": {order.get_reason_display()}" if order.reason else ""
        detail = f" ({order.reason_detail})" if order.reason_detail else ""
        self.stdout.write(
            f"State: {order.state}{reason}{detail}, since {order.state_since:%Y-%m-%d %H:%M:%S}"
        )
        for part in order.wms_orders.select_related("warehouse__connection").order_by("part"):
            self.stdout.write(
                f"Part {part.part}: {part.wms_status} at {part.warehouse.place}"
                f" as {part.remote_id or '(no id yet)'}"
            )

    def _write_plan(self, order: Order, found: RoutingPlan) -> None:
        units = ", ".join(f"{quantity} × {found.lines[line].label}" for line, quantity in found.units.items())
        self.stdout.write(f"To be routed: {units}, to {order.country or 'an unknown country'}")
        if found.unmapped:
            names = ", ".join(line.label for line in found.unmapped)
            self.stdout.write(f"Mapped at no warehouse, so the whole order waits: {names}")
        self._write_findings(found.decision.as_json())
        if found.decision.chosen is None or found.unmapped:
            self.stdout.write(
                f"It continues by itself when one of these is woken: {', '.join(preparation.wake_keys(order, found))}"
            )

    def _write_findings(self, assessments: Any) -> None:
        for each in routing_text.explain(assessments):
            self.stdout.write(f"  {each.warehouse}: {each.words}")


def find_order(text: str, *, domain: str = "") -> Order:
    """The one order that the text means. Raises CommandError, which names the choices."""
    ids = search.orders_named(text)
    if text.strip().isdecimal() and (number := search.number_in(text)):
        ids.append(number)
    rows = Order.objects.filter(pk__in=ids).select_related("shop")
    found = list(rows.filter(shop__domain=domain) if domain else rows)
    if len(found) == 1:
        return found[0]
    if not found:
        raise CommandError(f"there is no order {text}" + (f" of {domain}" if domain else ""))
    choices = ", ".join(f"{o.shopify_order_id} ({o.name} of {o.shop.domain}, ours {o.pk})" for o in found)
    raise CommandError(f"{text} may be any of these; name the Shopify id: {choices}")
