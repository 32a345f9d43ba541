"""Staff, who act on alerts: they map products and decide what only a person can know."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial

from django.contrib.auth.models import User
from django.core.management.base import CommandError
from django.db import InterfaceError, OperationalError, connections

from fulfillment.models import Return, WmsOrder
from fulfillment.wms_orders import manual_resolution
from fulfillment.wms_orders.manual_resolution import NothingToDecide, TooEarly
from tests.chaos.faults.fault_schedule import ASKED_AGAIN, MAPPED, WITHOUT_LOOK_UP
from tests.chaos.people.alert_receiver import AlertReceiver, ReceivedAlert
from tests.end_to_end.installation import world
from tests.end_to_end.installation.stack import Stack
from tests.end_to_end.installation.world import SHOPS, Product, Shop
from tests.world import End

LOOK_EVERY = 0.5
REACTION = 2.0
"""The seconds between an alert and what a person does about it."""


class Staff(threading.Thread):
    """Acts only on alerts, so nothing is done about what no alert names.

    `novelties` holds the product of each shop that is not mapped.
    """

    def __init__(
        self, stack: Stack, receiver: AlertReceiver, novelties: Mapping[str, Product], *, map_after: float
    ) -> None:
        super().__init__(name="staff", daemon=True)
        self.stack, self.receiver, self.novelties = stack, receiver, novelties
        self.wms = End(stack.wms.root)  # sessions are not shared between threads
        self.done, self.broken = Counter[str](), list[str]()
        self.todo: list[tuple[float, Callable[[], None]]] = []
        self.read, self.decided, self.over = 0, set[str](), threading.Event()
        self.map_at = time.monotonic() + map_after
        self.user = User.objects.create_superuser("chaos").pk

    @property
    def busy(self) -> bool:
        """Whether there is an alert that they have not dealt with."""
        return bool(self.todo) or self.read < len(self.receiver.alerts)

    def run(self) -> None:
        """Works until `stop` is called."""
        while not self.over.wait(LOOK_EVERY):
            for alert in self.receiver.alerts[self.read :]:
                self._plan_reaction(alert)
                self.read += 1
            self._work()
        connections.close_all()

    def stop(self) -> None:
        """Stops the work and waits for its end."""
        self.over.set()
        self.join()

    def _plan_reaction(self, alert: ReceivedAlert) -> None:
        soon = time.monotonic() + REACTION
        for shop in SHOPS:
            novelty = self.novelties[shop.domain]
            if alert.subject == f"sku:{shop.domain}:{novelty.variant}" and novelty not in self.stack.products:
                self.todo.append((max(soon, self.map_at), partial(self._map, shop, novelty)))
        if alert.subject.startswith("wms:order:") and "It is not there" in alert.text:
            decide = self._decide_return if alert.subject.endswith(":return") else self._decide
            self.todo.append((soon, partial(decide, alert.subject)))
        if alert.subject.startswith("wms:order:") and "shipment callback" in alert.text:
            self.todo.append((soon, partial(self._ask_again, alert.subject)))

    def _work(self) -> None:
        due = [each for each in self.todo if each[0] <= time.monotonic()]
        for each in due:
            try:
                each[1]()
            except (OperationalError, InterfaceError):
                connections.close_all()  # the database is away, so they try again later
                continue
            except TooEarly:
                continue
            except (AssertionError, CommandError, OSError) as error:
                self.broken.append(f"{error!r}")
            self.todo.remove(each)

    def _map(self, shop: Shop, product: Product) -> None:
        """Maps a product by the import command, for each warehouse of the shop."""
        file = self.stack.files / f"new-{shop.number}.csv"
        file.write_text(world.skus_csv([product]))
        for house in shop.houses:
            self.stack.command("import_skus", str(file), shop=shop.domain, warehouse=house.code)
        if product not in self.stack.products:
            self.stack.products.append(product)
            self.done[MAPPED] += 1

    def _decide_return(self, external_id: str) -> None:
        """Decides whether a return was announced, after a look at the WMS itself."""
        row = Return.objects.get(external_id=external_id)
        announced = self.wms.get(f"/books?slug={WITHOUT_LOOK_UP}")["connections"][WITHOUT_LOOK_UP]["returns"]
        found = [each["id"] for each in announced if each["externalOrderId"] == row.wms_order.external_id]
        try:
            if found:
                manual_resolution.confirm_return_present(row.id, as_id=found[0], user_id=self.user)
            else:
                manual_resolution.confirm_return_absent(row.id, user_id=self.user)
        except NothingToDecide:
            return
        self.done[f"person decided: return {'there' if found else 'not there'}"] += 1

    def _decide(self, external_id: str) -> None:
        """Decides whether an order was created, after a look at the WMS itself."""
        orders = self.wms.get(f"/books?slug={WITHOUT_LOOK_UP}")["connections"][WITHOUT_LOOK_UP]["orders"]
        found = [each["id"] for each in orders if each["externalOrderId"] == external_id]
        row = WmsOrder.objects.get(external_id=external_id)
        try:
            if found:
                manual_resolution.confirm_present(row.id, as_id=found[0], user_id=self.user)
            else:
                manual_resolution.confirm_absent(row.id, user_id=self.user)
        except NothingToDecide:
            return
        self.done[f"person decided: {'there' if found else 'not there'}"] += 1

    def _ask_again(self, external_id: str) -> None:
        """Makes the warehouse report the shipments of an order once more."""
        for slug, books in self.wms.get("/books")["connections"].items():
            for shipment in books["shipments"]:
                if shipment["externalOrderId"] == external_id:
                    self.wms.post(f"/connections/{slug}/shipments/{shipment['id']}/tell")
        self.done[ASKED_AGAIN] += 1
