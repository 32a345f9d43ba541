"""A replay is as idempotent as a first run: what happened already does not happen a second time, at either end."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command
from django.db.models.functions import Now

from fulfillment.models.states import OrderState
from ops.models import Job
from tests.drain import drain
from tests.fulfillment.scene import DOMAIN, LATER, MUG, TEE, Scene

pytestmark = pytest.mark.django_db


def books(scene: Scene) -> Any:
    """What really happened at both ends, without the questions that were asked about it."""
    wms = {slug: scene.wms_books(slug) for slug in ("north", "south")}
    shop = scene.shopify.get(f"/books?domain={DOMAIN}")["shops"][DOMAIN]
    kept = ("orders", "creates", "create_calls", "duplicates", "shipments", "returns", "stock")
    return (
        {slug: {name: each[name] for name in kept} for slug, each in wms.items()},
        {name: shop[name] for name in ("orders", "inventory", "mutations")},
    )


def die_and_replay(scene: Scene) -> set[str]:
    """Whatever was done is a dead letter, as if its end had never been recorded, and is replayed; returns the kinds."""
    done = Job.objects.filter(state="done").exclude(kind="ops.notify")
    done.update(state="dead", finished_at=Now(), error_class="WorkerLost", error="killed")
    call_command("replay", "--all", verbosity=0)
    ran = set(drain()) | set(drain(advance=LATER))
    assert not Job.objects.filter(state="dead").exists()
    return ran


def test_nothing_that_succeeded_is_done_twice(scene: Scene) -> None:
    shipped, sent, too_late = (scene.arrive((MUG, 1), (TEE, 1)) for _ in range(3))
    scene.ship(shipped)
    for step in ("pick", "pack"):
        scene.in_warehouse(too_late, step)
    scene.staff(too_late, "cancel")
    stock = {"wmsItemCode": "MUG", "warehouseId": "BER1", "availableQuantity": 5, "onHandQuantity": 8}
    scene.callback("inventory", {**stock, "eventType": "adjustment"})
    drain(advance=LATER)
    before = books(scene)
    ran = die_and_replay(scene)
    assert {
        "fulfillment.submit",
        "fulfillment.fulfil",
        "fulfillment.cancel",
        "fulfillment.announce_return",
        "inventory.push",
        "wms.shipment",
        "wms.inventory",
    } <= ran
    assert books(scene) == before
    assert [scene.row(order).state for order in (shipped, sent)] == [
        OrderState.SHIPPED,
        OrderState.AT_WAREHOUSE,
    ]


@pytest.mark.parametrize("fault", ["timeout_after", "reset_after"])
def test_a_dead_letter_whose_call_had_arrived_is_found_and_not_repeated(scene: Scene, fault: str) -> None:
    scene.wms.fault("POST /north/orders", fault, delay=0.1)
    order = scene.place((MUG, 1))
    scene.webhook(order)
    drain()
    Job.objects.filter(kind="fulfillment.submit").update(state="dead", finished_at=Now(), attempts=10)
    call_command("replay", "--kind", "fulfillment.submit", verbosity=0)
    drain()
    assert scene.row(order).state == OrderState.AT_WAREHOUSE
    assert list(scene.wms_books()["create_calls"].values()) == [1]
    scene.shopify.fault("fulfillmentCreate", fault, delay=0.1)
    scene.ship(order)
    Job.objects.filter(kind="fulfillment.fulfil").update(state="dead", finished_at=Now(), attempts=10)
    call_command("replay", "--kind", "fulfillment.fulfil", verbosity=0)
    drain(advance=LATER)
    assert len(scene.fulfillments(order)) == 1
