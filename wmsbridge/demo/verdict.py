"""Judges whether every order ended as it should. It compares the application's rows with the sandbox's books."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ops.queue import dead_letters
from wmsbridge.demo.order_snapshot import OrderSnapshot
from wmsbridge.demo.sandbox_api import Sandbox
from wmsbridge.demo.scenarios import Shipping

PARCELS = {Shipping.WHOLE: 1, Shipping.TWO: 2, Shipping.PART: 1, Shipping.NEVER: 0}


@dataclass(frozen=True)
class Spread:
    """The median and the 99th percentile of some durations, in seconds."""

    count: int
    median: float
    p99: float

    def __str__(self) -> str:
        return f"median {self.median * 1000:.0f} ms, p99 {self.p99 * 1000:.0f} ms (of {self.count})"


@dataclass(frozen=True)
class Summary:
    """The result of a demo. `faults` is empty if every order ended as it should."""

    scenarios: Counter[str]
    states: Counter[str]
    lag: Spread
    answers: Spread
    pushes: int
    faults: tuple[str, ...]


def spread(values: Iterable[float]) -> Spread:
    """Return the nearest-rank percentiles of these seconds; zeros if there are none."""
    ordered = sorted(values)
    if not ordered:
        return Spread(0, 0.0, 0.0)

    def percentile(fraction: float) -> float:
        return ordered[max(0, math.ceil(fraction * len(ordered)) - 1)]

    return Spread(len(ordered), percentile(0.5), percentile(0.99))


def judge(snapshots: Sequence[OrderSnapshot], sandbox: Sandbox) -> Summary:
    """Compare every order with both books. Nothing must be in progress any more. `faults` has one sentence each."""
    shopify, wms = sandbox.shopify_books(), sandbox.wms_books()
    faults = [fault for each in snapshots for fault in _order_faults(each, shopify, wms)]
    faults += _system_faults(shopify, wms)
    lags = [
        each.lag for each in snapshots if each.lag is not None and not each.placed.scenario.has_planned_wait
    ]
    attempts = [attempt for delivery in sandbox.deliveries() for attempt in delivery["attempts"]]
    return Summary(
        scenarios=Counter(each.placed.scenario.title for each in snapshots),
        states=Counter(each.state for each in snapshots),
        lag=spread(lags),
        answers=spread(float(attempt["seconds"]) for attempt in attempts if attempt["status"] == 200),
        pushes=sum(shop["requests"].get("inventorySetQuantities", 0) for shop in shopify["shops"].values()),
        faults=tuple(faults),
    )


def _order_faults(each: OrderSnapshot, shopify: dict[str, Any], wms: dict[str, Any]) -> list[str]:
    """Compare one order with the books of both sides. Returns what is wrong, one sentence each.

    The WMS must have the order once, or not at all if its scenario ends before a warehouse. Shopify must have been told
    of exactly the parcels that left.
    """
    scenario = each.placed.scenario
    name = f"{each.placed.name} of {scenario.store.name} ({scenario.title})"
    faults = []
    if not each.finished:
        faults.append(f"is {each.state} instead of {scenario.final_state.value}")
    at_wms = [order for order in _wms_orders(wms) if order["externalOrderId"] in _identities(each)]
    expected = 0 if scenario.reason else 1
    if len(at_wms) != expected:
        faults.append(f"is {len(at_wms)} times at the WMS instead of {expected}")
    parcels = Counter(parcel["trackingNumber"] for parcel in _parcels(wms, at_wms))
    in_shopify = _order_in_shopify(each, shopify)
    reported = Counter(
        number for fulfillment in in_shopify["fulfillments"] for number in fulfillment["tracking"]["numbers"]
    )
    if parcels.total() != PARCELS[scenario.shipping] or parcels != reported:
        faults.append(f"left in parcels {dict(parcels)} but Shopify was told {dict(reported)}")
    if _units_shipped(at_wms) == 0 and any(line["fulfilled_quantity"] for line in in_shopify["lines"]):
        faults.append("is fulfilled at Shopify, and nothing left the warehouse")
    return [f"{name} {fault}" for fault in faults]


def _identities(each: OrderSnapshot) -> set[str]:
    return {wms_order.external_id for wms_order in each.wms_orders}


def _wms_orders(wms: dict[str, Any]) -> Iterable[dict[str, Any]]:
    for connection in wms["connections"].values():
        yield from connection["orders"]


def _parcels(wms: dict[str, Any], orders: Sequence[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    ids = {order["externalOrderId"] for order in orders}
    for connection in wms["connections"].values():
        yield from (parcel for parcel in connection["shipments"] if parcel["externalOrderId"] in ids)


def _order_in_shopify(each: OrderSnapshot, shopify: dict[str, Any]) -> dict[str, Any]:
    domain, order_id = each.placed.key
    orders: list[dict[str, Any]] = shopify["shops"][domain]["orders"]
    return next(order for order in orders if order["id"] == order_id)


def _units_shipped(at_wms: Sequence[dict[str, Any]]) -> int:
    return sum(int(line["shipped"]) for order in at_wms for line in order["lines"])


def _system_faults(shopify: dict[str, Any], wms: dict[str, Any]) -> list[str]:
    """Return what is wrong with no regard to one order: duplicates at a WMS, calls that Shopify refused or throttled,
    and dead letters."""
    faults = [
        f"{slug} has two orders for {', '.join(connection['duplicates'])}"
        for slug, connection in wms["connections"].items()
        if connection["duplicates"]
    ]
    faults += [
        f"{domain} refused: {'; '.join(map(str, error['messages']))[:300]}"
        for domain, shop in shopify["shops"].items()
        for error in shop["errors"]
    ]
    faults += [
        f"{domain} throttled {shop['throttled']} calls"
        for domain, shop in shopify["shops"].items()
        if shop["throttled"] or shop["rest_429"]
    ]
    dead = dead_letters.waiting().defer("payload")[:20]
    return faults + [f"dead letter {job.kind} {job.subject}: {job.error[:200]}" for job in dead]
