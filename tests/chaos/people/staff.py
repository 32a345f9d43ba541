"""What people do who are told: map what is not mapped, decide what only a person can know."""

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
from tests.chaos.faults.fault_schedule import ASKED_AGAIN, DEAF, MAPPED
from tests.chaos.people.alert_receiver import Sink, Told
from tests.end_to_end import world
from tests.end_to_end.stack import Stack
from tests.end_to_end.world import SHOPS, Product, Shop
from tests.world import End

LOOK_EVERY = 0.5
REACTION = 2.0
"""Seconds from an alert to what a person does about it."""


class Staff(threading.Thread):
    """Acts on alerts alone: what is not told is not done. `novelties`: domain -> the product that is not mapped."""

    def __init__(
        self, stack: Stack, sink: Sink, novelties: Mapping[str, Product], *, map_after: float
    ) -> None:
        super().__init__(name="staff", daemon=True)
        self.stack, self.sink, self.novelties = stack, sink, novelties
        self.wms = End(stack.wms.root)  # sessions are not shared between threads
        self.did, self.broken = Counter[str](), list[str]()
        self.todo: list[tuple[float, Callable[[], None]]] = []
        self.read, self.decided, self.over = 0, set[str](), threading.Event()
        self.map_at = time.monotonic() + map_after
        self.user = User.objects.create_superuser("chaos").pk

    @property
    def busy(self) -> bool:
        """Whether they were told of something that they have not seen to."""
        return bool(self.todo) or self.read < len(self.sink.told)

    def run(self) -> None:
        """Until `stop`."""
        while not self.over.wait(LOOK_EVERY):
            for told in self.sink.told[self.read :]:
                self._hear(told)
                self.read += 1
            self._work()
        connections.close_all()

    def stop(self) -> None:
        """They go home."""
        self.over.set()
        self.join()

    def _hear(self, told: Told) -> None:
        soon = time.monotonic() + REACTION
        for shop in SHOPS:
            novelty = self.novelties[shop.domain]
            if told.subject == f"sku:{shop.domain}:{novelty.variant}" and novelty not in self.stack.products:
                self.todo.append((max(soon, self.map_at), partial(self._map, shop, novelty)))
        if told.subject.startswith("wms:order:") and "It is not there" in told.text:
            decide = self._decide_return if told.subject.endswith(":return") else self._decide
            self.todo.append((soon, partial(decide, told.subject)))
        if told.subject.startswith("wms:order:") and "shipment callback" in told.text:
            self.todo.append((soon, partial(self._ask_again, told.subject)))

    def _work(self) -> None:
        due = [each for each in self.todo if each[0] <= time.monotonic()]
        for each in due:
            try:
                each[1]()
            except (OperationalError, InterfaceError):
                connections.close_all()  # the database is away: later
                continue
            except TooEarly:
                continue
            except (AssertionError, CommandError, OSError) as error:
                self.broken.append(f"{error!r}")
            self.todo.remove(each)

    def _map(self, shop: Shop, product: Product) -> None:
        """By the import command, for each warehouse of the shop."""
        file = self.stack.files / f"new-{shop.number}.csv"
        file.write_text(world.skus_csv([product]))
        for house in shop.houses:
            self.stack.command("import_skus", str(file), shop=shop.domain, warehouse=house.code)
        if product not in self.stack.products:
            self.stack.products.append(product)
            self.did[MAPPED] += 1

    def _decide_return(self, external_id: str) -> None:
        """The same, about the announcement of a return."""
        row = Return.objects.get(external_id=external_id)
        announced = self.wms.get(f"/books?slug={DEAF}")["connections"][DEAF]["returns"]
        found = [each["id"] for each in announced if each["externalOrderId"] == row.wms_order.external_id]
        try:
            if found:
                manual_resolution.return_is_there(row.pk, as_id=found[0], user_id=self.user)
            else:
                manual_resolution.return_is_not_there(row.pk, user_id=self.user)
        except NothingToDecide:
            return
        self.did[f"person decided: return {'there' if found else 'not there'}"] += 1

    def _decide(self, external_id: str) -> None:
        """After a look at the WMS's own screens."""
        orders = self.wms.get(f"/books?slug={DEAF}")["connections"][DEAF]["orders"]
        found = [each["id"] for each in orders if each["externalOrderId"] == external_id]
        row = WmsOrder.objects.get(external_id=external_id)
        try:
            if found:
                manual_resolution.is_there(row.pk, as_id=found[0], user_id=self.user)
            else:
                manual_resolution.is_not_there(row.pk, user_id=self.user)
        except NothingToDecide:
            return
        self.did[f"person decided: {'there' if found else 'not there'}"] += 1

    def _ask_again(self, external_id: str) -> None:
        """The warehouse reports the shipments of an order once more."""
        for slug, books in self.wms.get("/books")["connections"].items():
            for shipment in books["shipments"]:
                if shipment["externalOrderId"] == external_id:
                    self.wms.post(f"/connections/{slug}/shipments/{shipment['id']}/tell")
        self.did[ASKED_AGAIN] += 1
