"""What really happened, by the books of the simulated systems alone: the application is not asked.

orders     every order that may ship is once at the WMSs, with exactly its units; every other is not there
parcels    every shipment of a warehouse is one fulfilment at Shopify: same units, tracking, carrier, place
stock      Shopify offers what the WMS has available, less what the WMS does not know of yet
protocol   neither side had to refuse or slow down a call
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

Json = dict[str, Any]
Units = Counter[str]
"""WMS item code -> units."""

ENDED = {"cancelled", "rejected"}
TOO_LATE = {"packed", "partially_shipped", "shipped"}
"""States in which a warehouse cancels no more."""


@dataclass(frozen=True)
class Place:
    """A warehouse with its Shopify location. `basis`: the figure Shopify is set by, "available" or "on_hand"."""

    domain: str
    slug: str
    code: str
    location: int
    basis: str


@dataclass(frozen=True)
class Checker:
    """Compares both books. `parts`: (variant, inventory item) -> what one unit is made of, the same in every place.

    `unserved`: (domain, order id) of orders that may ship by Shopify's books, but that no warehouse can send.
    A kit whose pieces leave in different parcels is one fulfilment at the end: such orders are not for `parcels`.
    """

    shopify: Mapping[str, Json]
    wms: Mapping[str, Json]
    places: Collection[Place]
    parts: Mapping[tuple[int, int], tuple[tuple[str, int], ...]]
    carriers: Mapping[str, str]
    unserved: Collection[tuple[str, int]] = ()

    def complaints(self) -> list[str]:
        """Everything that is not as it should be once nothing moves any more; empty = all is well."""
        return [*self.orders(), *self.parcels(), *self.stock(), *self.protocol()]

    # --- Orders ---

    def orders(self) -> Iterator[str]:
        """An order is at the WMSs once and whole, or not at all."""
        for slug, books in self.wms.items():
            yield from (f"{slug} has two orders for {identity}" for identity in books["duplicates"])
        for domain, order in self.shopify_orders():
            name = f"{order['name']} of {domain}"
            live = [each for each in self.at_wms[domain, order["id"]] if each["status"] not in ENDED]
            if order["cancelled_at"]:
                late = (each for each in live if each["status"] not in TOO_LATE)
                yield from (f"{name} is cancelled, and {each['status']} at the WMS" for each in late)
                continue
            wanted = self._wanted(order) if self._may_ship(domain, order) else Counter()
            there = sum((_units_ordered(each) for each in live), Counter())
            if there != wanted:
                yield f"{name}: the WMS should have {dict(wanted)}, and has {dict(there)}"
        yield from (f"the WMS has {i} of {d}, which Shopify does not know" for d, i in self._strays())

    def _strays(self) -> Collection[tuple[str, int]]:
        return self.at_wms.keys() - {(domain, order["id"]) for domain, order in self.shopify_orders()}

    def _may_ship(self, domain: str, order: Json) -> bool:
        waits = any(each["status"] in ("ON_HOLD", "SCHEDULED") for each in order["fulfillment_orders"])
        paid = order["financial_status"] == "PAID"
        return paid and not waits and not order["test"] and (domain, order["id"]) not in self.unserved

    def _wanted(self, order: Json) -> Units:
        units: Units = Counter()
        for line in order["lines"]:
            if line["requires_shipping"]:
                units += self._made_of(line["variant_id"], line["current_quantity"])
        return units

    # --- Parcels ---

    def parcels(self) -> Iterator[str]:
        """Each shipment is exactly one fulfilment, and each fulfilment a shipment."""
        for domain, order in self.shopify_orders():
            told = [each for each in order["fulfillments"] if each["status"] != "CANCELLED"]
            sent = [(s, each) for s, each in self._shipments if _identity(each) == (domain, order["id"])]
            numbers = {parcel["trackingNumber"] for _, parcel in sent}
            name = f"{order['name']} of {domain}"
            for each in told:
                if not numbers.issuperset(each["tracking"]["numbers"]) or not each["tracking"]["numbers"]:
                    yield f"{name} has fulfilment {each['tracking']['numbers']}, and no such parcel left"
            for slug, parcel in sent:
                yield from (f"{name}, parcel {parcel['trackingNumber']}: {wrong}"
                            for wrong in self._told_wrongly(order, slug, parcel=parcel, told=told))  # fmt: skip

    def _told_wrongly(self, order: Json, slug: str, *, parcel: Json, told: Iterable[Json]) -> Iterator[str]:
        found = [each for each in told if parcel["trackingNumber"] in each["tracking"]["numbers"]]
        if len(found) != 1:
            yield f"{len(found)} fulfilments instead of one"
            return
        variants = {line["id"]: line["variant_id"] for line in order["lines"]}
        units: Units = Counter()
        for line in found[0]["lines"]:
            units += self._made_of(variants[line["line_id"]], line["quantity"])
        if units != (left := _units(parcel["items"], "quantity")):
            yield f"{dict(left)} left, Shopify was told {dict(units)}"
        if found[0]["tracking"]["company"] != (carrier := self.carriers[parcel["carrierCode"]]):
            yield f"went by {carrier}, Shopify was told {found[0]['tracking']['company']}"
        locations = {p.location for p in self.places if (p.slug, p.code) == (slug, parcel["warehouse"])}
        if found[0]["location_id"] not in locations:
            yield f"left {parcel['warehouse']}, Shopify was told location {found[0]['location_id']}"

    # --- Stock ---

    def stock(self) -> Iterator[str]:
        """Available at Shopify = available at the WMS, less orders at Shopify that the WMS does not know of yet."""
        for place in self.places:
            levels = {
                level["inventory_item_id"]: level
                for level in self.shopify[place.domain]["inventory"]
                if level["location_id"] == place.location
            }
            sellable = self._sellable(place, levels)
            for (_, item), parts in self.parts.items():
                if (level := levels.get(item)) is None:
                    continue
                lowest = -level["committed"] if place.basis == "on_hand" else 0
                should = max(lowest, min(sellable[code] // units for code, units in parts))
                if level["available"] != should:
                    yield f"{level['sku']} at {place.code}: {level['available']} at Shopify instead of {should}"

    def _sellable(self, place: Place, levels: Mapping[int, Json]) -> dict[str, int]:
        """Item code -> units that nobody has been promised."""
        demand: Units = Counter()
        for (_, item), parts in self.parts.items():
            for code, units in parts if item in levels else ():
                demand[code] += levels[item]["committed"] * units
        shelf = [row for row in self.wms[place.slug]["stock"] if row["warehouse"] == place.code]
        return {
            row["item"]: row["available"] - max(0, demand[row["item"]] - row["allocated"]) for row in shelf
        }

    # --- Protocol ---

    def protocol(self) -> Iterator[str]:
        """Calls that were refused, unauthorised or throttled: none in steady state."""
        for domain, books in self.shopify.items():
            for count in ("invalid", "unauthorised", "throttled", "rest_429"):
                if books[count]:
                    yield f"{domain}: {books[count]} calls {count}: {books['errors'][-1:]}"
        for slug, books in self.wms.items():
            for count in ("unauthorised", "refused"):
                if books[count]:
                    yield f"{slug}: {books[count]} calls {count}"

    # --- Reading the books ---

    def _made_of(self, variant: int, quantity: int) -> Units:
        parts = self._parts_by_variant.get(variant, ((f"variant {variant}", 1),))
        return +Counter({item: units * quantity for item, units in parts})

    @cached_property
    def _parts_by_variant(self) -> dict[int, tuple[tuple[str, int], ...]]:
        return {variant: parts for (variant, _), parts in self.parts.items()}

    def shopify_orders(self) -> Iterator[tuple[str, Json]]:
        """(domain, order), all of them."""
        for domain, books in self.shopify.items():
            yield from ((domain, order) for order in books["orders"])

    @cached_property
    def at_wms(self) -> defaultdict[tuple[str, int], list[Json]]:
        """(domain, Shopify's order id) -> what the WMSs have of it, whatever its state."""
        found = defaultdict(list)
        for books in self.wms.values():
            for order in books["orders"]:
                found[_identity(order)].append(order)
        return found

    @cached_property
    def _shipments(self) -> list[tuple[str, Json]]:
        return [(slug, parcel) for slug, books in self.wms.items() for parcel in books["shipments"]]


def _identity(at_wms: Json) -> tuple[str, int]:
    """(domain, Shopify's order id) out of `wms:order:<domain>:<order id>:<part>`."""
    _, _, domain, order_id, _ = at_wms["externalOrderId"].split(":")
    return domain, int(order_id)


def _units(items: Iterable[Json], of: str) -> Units:
    units: Units = Counter()
    for each in items:
        units[each["wmsItemCode"]] += each[of]
    return units


def _units_ordered(order: Json) -> Units:
    return _units(order["lines"], "quantity")
