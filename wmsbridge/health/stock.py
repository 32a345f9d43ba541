"""Measures how old the stock in Shopify is: when a WMS last reported it, and whether Shopify got it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings

from inventory.refs import late_cause
from inventory.stock import freshness
from inventory.stock.freshness import Oldest
from wmsbridge.health.measuring import AlertText, Metric, Part, Reading, Unit, duration_text
from wmsbridge.schedules import rows

MOST_NAMED = 5
"""An alert names at most this many late SKUs, each with the step that is late."""


@dataclass(frozen=True)
class Step:
    """The texts about one step of the way from a WMS to Shopify."""

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


def read_interval() -> timedelta:
    """The interval at which stock is read from a WMS that can report what changed since a point in time."""
    return rows.every("inventory.reconcile_all")


def stock_sync_lag() -> Reading:
    """Read the metric: the age in seconds of the stock that is the most late, measured by its own interval.

    Only SKUs that are actively sold count. If some are late, the worst of them is shown; else the oldest of all.
    """
    interval, factor = read_interval(), settings.HEALTH_THRESHOLDS["stock_sync_lag"]
    found = freshness.oldest(often=interval)
    if not found:
        return Reading(0.0, "nothing was sold lately", threshold=factor * interval.total_seconds())
    late = [each for each in found if each.age > factor * each.every]
    worst = (late or found)[0]
    return Reading(
        max(0.0, worst.age),
        f"{worst.name}: {STEPS[worst.step].short}",
        _parts(found),
        threshold=factor * worst.every,
        urgent=bool(late),
        alert_text=_alert_text(late) if late else None,
    )


def _parts(found: list[Oldest]) -> dict[Part, float]:
    return {(each.step, each.shop, f"{each.wms}/{each.code}"): max(0.0, each.age) for each in found}


def _alert_text(late: list[Oldest]) -> AlertText:
    """The text of the alert. `late` has one SKU for each warehouse and step, the worst first."""
    worst, named = late[0], late[:MOST_NAMED]
    sentences = [_fill_in(STEPS[each.step].happened, each) for each in named]
    if len(late) > len(named):
        sentences.append(f"{len(late) - len(named)} more are late.")
    return AlertText(
        title=_fill_in(STEPS[worst.step].title, worst),
        meaning=" ".join([*sentences, "Shopify may sell what is not there, or may not sell what is there."]),
        action=" ".join(dict.fromkeys(map(_to_do, named))),
        shop=worst.shop,
        cause=late_cause(worst.step, worst.shop, worst.wms, worst.code),
    )


def _to_do(late: Oldest) -> str:
    """What a person does about a late SKU: resume the lane if it is paused, else what helps at its step."""
    if late.paused:
        return (
            f"Lane {'shop:' + late.shop if late.step == 'push' else 'wms:' + late.wms} is paused: resume it."
        )
    return _fill_in(STEPS[late.step].to_do, late)


def _fill_in(words: str, late: Oldest) -> str:
    """Fill the facts about a late SKU into a text."""
    return words.format(
        name=late.name,
        wms=late.wms,
        shop=late.shop,
        ago=duration_text(late.age),
        since=f"{late.since:%d %b %H:%M}",
        every=duration_text(late.every),
    )


STOCK_SYNC_LAG = Metric(
    name="stock_sync_lag",
    label="Stock sync lag",
    unit=Unit.SECONDS,
    labels=("step", "shop", "warehouse"),
    definition="The age of the last update of one SKU at one Shopify location: of the SKU that is the most late, "
    "measured by its own interval. Only SKUs that are actively sold count: units were promised to an order of the "
    "shop within seven days, or an order waits for them. A SKU was updated when its WMS last reported it, or when "
    "the last complete reading of that WMS began. If the last complete reading did not have it, it was updated when "
    "a reading last had it. If Shopify does not have a change yet, the SKU is as old as the change. WMSs are read as "
    "often as the schedule «inventory.reconcile_all» says, every quarter of an hour unless staff changed it. WMSs "
    "that can only report everything are read once a day. Staff are alerted if a SKU was not synced within twice its "
    "interval.",
    advice="Look at the job «inventory.reconcile» of the WMS and at «inventory.push» of the shop, and whether the "
    "schedule «inventory.reconcile_all» runs. Until then Shopify may sell what is not there.",
    read=stock_sync_lag,
)
