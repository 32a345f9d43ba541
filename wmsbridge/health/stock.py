"""How old the stock is that Shopify shows: read from the WMSs, and told to Shopify."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings

from inventory.refs import late_cause
from inventory.stock import freshness
from inventory.stock.freshness import Oldest
from wmsbridge.health.measuring import Metric, Part, Reading, Unit, Words, spoken
from wmsbridge.schedules import rows

MOST_NAMED = 5
"""Warehouses that an alert names, each with the step that is late there."""


@dataclass(frozen=True)
class Step:
    """The words for one step of the way of a figure."""

    short: str
    title: str
    happened: str
    to_do: str


STEPS = {
    "read": Step(
        "last update by its WMS",
        "{name} was last updated {ago} ago",
        "{name} was last updated by {wms} {ago} ago, at {since} UTC; it should be read every {every}.",
        "Check whether {wms} answers and lists the item (alerts «circuit_open», «wms_refuses_credentials»; job "
        "«inventory.reconcile» in lane wms:{wms}) and whether the schedule «inventory.reconcile_all» runs. Then "
        "«manage.py reconcile --connection {wms} --full».",
    ),
    "unknown": Step(
        "never reported by its WMS",
        "{name} was never reported by {wms}",
        "An order has been waiting for {name} since {since} UTC ({ago}), and {wms} never reported it.",
        "Correct the item code in the SKU mapping, or have {wms} list the item.",
    ),
    "push": Step(
        "not sent to Shopify yet",
        "{name} has not been sent to Shopify for {ago}",
        "{name} changed, and Shopify has not been told for {ago}, since {since} UTC.",
        "Look at the job «inventory.push» in lane shop:{shop}: is the shop's access refused, is its budget used up, or "
        "is the inventory worker down?",
    ),
}


def read_often() -> timedelta:
    """How often stock is read from a WMS that tells what changed since a point in time."""
    return rows.every("inventory.reconcile_all")


def stock_sync_lag() -> Reading:
    """Age in seconds of the last update of the actively sold SKU that is latest by its own interval."""
    often, factor = read_often(), settings.HEALTH_THRESHOLDS["stock_sync_lag"]
    found = freshness.oldest(often=often)
    if not found:
        return Reading(0.0, "nothing was sold lately", threshold=factor * often.total_seconds())
    late = [each for each in found if each.age > factor * each.every]
    worst = (late or found)[0]
    return Reading(
        max(0.0, worst.age),
        f"{worst.name}: {STEPS[worst.step].short}",
        _parts(found),
        threshold=factor * worst.every,
        urgent=bool(late),
        words=_words(late) if late else None,
    )


def _parts(found: list[Oldest]) -> dict[Part, float]:
    return {(each.step, each.shop, f"{each.wms}/{each.code}"): max(0.0, each.age) for each in found}


def _words(late: list[Oldest]) -> Words:
    """Of each warehouse and step one, the worst first."""
    worst, named = late[0], late[:MOST_NAMED]
    told = [_in_words(STEPS[each.step].happened, each) for each in named]
    if len(late) > len(named):
        told.append(f"{len(late) - len(named)} more are late.")
    return Words(
        title=_in_words(STEPS[worst.step].title, worst),
        meaning=" ".join([*told, "Shopify may sell what is not there, or may not sell what is there."]),
        action=" ".join(dict.fromkeys(map(_to_do, named))),
        shop=worst.shop,
        cause=late_cause(worst.step, worst.shop, worst.wms, worst.code),
    )


def _to_do(late: Oldest) -> str:
    if late.paused:
        return (
            f"Lane {'shop:' + late.shop if late.step == 'push' else 'wms:' + late.wms} is paused: resume it."
        )
    return _in_words(STEPS[late.step].to_do, late)


def _in_words(words: str, late: Oldest) -> str:
    return words.format(
        name=late.name,
        wms=late.wms,
        shop=late.shop,
        ago=spoken(late.age),
        since=f"{late.since:%d %b %H:%M}",
        every=spoken(late.every),
    )


STOCK_SYNC_LAG = Metric(
    name="stock_sync_lag",
    label="Stock sync lag",
    unit=Unit.SECONDS,
    labels=("step", "shop", "warehouse"),
    definition="The age of the last update of the SKU that is latest by its own interval, at one Shopify location. "
    "SKUs that are actively sold count: an order of the shop was promised units within seven days, or waits for them. "
    "A SKU was updated when its WMS last told of it, or when the last complete reading of that WMS began; if the last "
    "reading of everything left it out, when a reading last named it. A SKU that Shopify is still to be told of is as "
    "old as its change. WMSs are read as often as the schedule «inventory.reconcile_all» says, a quarter of an hour "
    "unless staff changed it; those that can only tell everything, once a day. Staff are alerted when a SKU was not "
    "synced within twice that.",
    advice="Look at the job «inventory.reconcile» of the WMS and at «inventory.push» of the shop, and whether the "
    "schedule «inventory.reconcile_all» runs. Until then Shopify may sell what is not there.",
    read=stock_sync_lag,
)
