"""Everything together: the sandbox, the application's processes, and its set-up by its own commands."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from celery import current_app
from django.core.management import call_command
from django.db import connection
from django.test import override_settings

from tests.end_to_end.checker import Checker, Place
from tests.end_to_end.installation import world
from tests.end_to_end.installation.programs import WORKERS, Programs, commands
from tests.end_to_end.installation.waiting import until, until_none
from tests.end_to_end.installation.world import BASIS, SHOPS, Product, Shop
from tests.world import End, Sandbox, sandbox_process
from wmsbridge.embedded.places import free_port

PLACES = tuple(
    Place(shop.domain, house.slug, house.code, house.location, BASIS[house.slug])
    for shop in SHOPS
    for house in shop.houses
)


@dataclass
class Stack:
    """What the tests act on. `products` grows with what is mapped; `unserved` are orders that nobody can send."""

    web: str
    shopify: End
    wms: End
    programs: Programs
    files: Path
    products: list[Product] = field(default_factory=list)
    unserved: set[tuple[str, int]] = field(default_factory=set)
    figures: list[str] = field(default_factory=list)

    def command(self, name: str, *arguments: str, **options: Any) -> str:
        """Run one of the application's commands on its database; returns what it says."""
        said = io.StringIO()
        with override_settings(SHOPIFY_ADMIN_URL=self.shopify.root + "/{domain}", PUBLIC_URL=self.web):
            call_command(name, *arguments, stdout=said, stderr=said, **options)
        return said.getvalue()

    def import_skus(self, shop: Shop, *products: Product) -> None:
        """Staff import a CSV for each warehouse of the shop."""
        file = self.files / "skus.csv"
        file.write_text(world.skus_csv(products))
        for house in shop.houses:
            said = self.command("import_skus", str(file), shop=shop.domain, warehouse=house.code)
            assert f"{sum(len(product.parts) for product in products)} created" in said
        self.products += [product for product in products if product not in self.products]

    def stock_up(self, items: Iterable[str], *, on_hand: int) -> None:
        """So many units of each item in every warehouse; waits until Shopify knows."""
        for shop in SHOPS:
            for house in shop.houses:
                for item in items:
                    body = {"warehouse": house.code, "item": item, "on_hand": on_hand}
                    self.wms.post(f"/connections/{house.slug}/stock", body)
        self.settles(Checker.stock, seconds=60)

    def deliver(self, **settings: float) -> None:
        """How webhooks and callbacks travel from now on."""
        self.shopify.post("/settings", dict(settings))
        self.wms.post("/settings", dict(settings))

    def reconcile(self) -> None:
        """What beat asks for every quarter of an hour, now: through the broker, by a worker."""
        current_app.send_task("inventory.reconcile_all", queue="maintenance")

    def checker(self) -> Checker:
        """Judges by the books as they are now."""
        return Checker(
            shopify=self.shopify.get("/books")["shops"],
            wms=self.wms.get("/books")["connections"],
            places=PLACES,
            parts={(each.variant, each.inventory_item): each.parts for each in self.products},
            carriers=world.CARRIERS,
            unserved=self.unserved,
        )

    def settles(self, look: Callable[[Checker], Iterator[str]], *, seconds: float = 30.0) -> None:
        """Wait until the checker finds nothing wrong in what `look` looks at."""
        until_none(lambda: list(look(self.checker())), seconds=seconds)

    def answers(self, path: str) -> requests.Response:
        """GET from the web server."""
        return requests.get(self.web + path, timeout=5)

    def ready(self) -> bool:
        """Whether /readyz says so."""
        return not self.missing()

    def missing(self) -> set[str]:
        """What /readyz misses."""
        try:
            return set(self.answers("/readyz").json()["reasons"])
        except requests.ConnectionError:
            assert not (gone := self.programs.gone()), f"{gone} ended"
            return {"web"}


@contextmanager
def running_stack(
    folder: Path,
    workers: Mapping[str, tuple[str, int]] = WORKERS,
    *,
    start_sandbox: Callable[[], AbstractContextManager[Sandbox]] = sandbox_process,
    **shop_options: Any,
) -> Iterator[Stack]:
    """Start everything, set it up, wait until it is ready; stop everything, and leave an empty database.

    `shop_options`: of the simulated shops, see sandbox/README.md.
    """
    port, logs = free_port(), folder / "logs"
    logs.mkdir()
    with start_sandbox() as sandbox:
        web = f"http://127.0.0.1:{port}"
        programs = Programs(logs, _environment(web, sandbox), commands(port, workers))
        stack = Stack(web, sandbox.shopify, sandbox.wms, programs, folder)
        programs.start_all()
        try:
            _set_up(stack, shop_options)
            yield stack
        finally:
            stubborn = programs.stop_all()
            call_command("flush", interactive=False, verbosity=0)
        assert not stubborn, f"had to be killed at the end: {stubborn}\n{programs.tails()}"


def _environment(web: str, sandbox: Sandbox) -> dict[str, str]:
    """The test process's own servers and secrets, and pytest-django's database in place of the empty one."""
    name = connection.settings_dict["NAME"]
    return {
        **os.environ,
        "DATABASE_URL": urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl(),
        "SHOPIFY_ADMIN_URL": sandbox.shopify.root + "/{domain}",
        "PUBLIC_URL": web,
        "HTTPS": "0",
        "EMAIL_URL": "dummymail://",
        "LOG_LEVEL": "INFO",
        "LOG_FORMAT": "json",
        "PYTHONUNBUFFERED": "1",
    }


def _set_up(stack: Stack, shop_options: dict[str, Any]) -> None:
    """Accounts at the sandbox; then the application, with the commands and the files that staff use."""
    for shop in SHOPS:
        stack.shopify.post("/shops", {**world.shop_json(shop), **shop_options})
    for slug in BASIS:
        stack.wms.post("/connections", world.connection_json(slug, stack.web))
    config = stack.files / "wmsbridge.toml"
    config.write_text(world.config_toml(stack.wms.root))
    made = len(SHOPS) + len(BASIS) + len(PLACES)
    assert f"{made} created" in stack.command("load_config", str(config))
    for shop in SHOPS:
        stack.import_skus(shop, *shop.products)
    try:
        assert "0 refused" in stack.command("register_webhooks")
        stack.command("reconcile", full=True)
        # The first tick comes 10 s after beat's start; the tests need not wait for it, one of them looks at /readyz.
        until(lambda: stack.missing() <= {"scheduler"}, what="/readyz", seconds=60)
        stack.settles(Checker.stock)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{stack.programs.tails()}") from error
