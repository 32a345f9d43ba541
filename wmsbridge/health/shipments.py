"""How long customers wait to be told that their parcel left."""

from __future__ import annotations

from typing import Any

from fulfillment.refs import shipment_subject
from wmsbridge.health.measuring import Metric, Part, Reading, Unit, Words, mappings, spoken

LATEST = 100
"""Fulfilments that count, the latest of the last hour: so the median follows soon when parcels are told again."""

FEW = 5
"""Of fewer fulfilments a median says nothing."""

# A shipment counts from the WMS's emission of its first report (one stored before that was kept: from our receipt);
# one that was held, or of which more was reported, from when it went on. A kit's parcel that waits for the rest, what
# a person must see to, and what waits for a shop that was switched off, do not count: nothing could end their alert.
_TIMES = """
WITH untold AS (
    SELECT id, COALESCE(went_on_at, emitted_at, received_at) AS since, connection_id, wms_order_id, wms_shipment_id
      FROM fulfillment_shipment WHERE state IN ('received', 'fulfilling')
       AND NOT EXISTS (SELECT FROM wms_order_map part
                         JOIN fulfillment_order o ON o.id = part.order_id
                         JOIN shops_shop s ON s.id = o.shop_id
                        WHERE part.id = fulfillment_shipment.wms_order_id AND NOT s.is_active)
), told AS (
    SELECT extract(epoch FROM fulfilled_at - CASE WHEN went_on_at <= fulfilled_at THEN went_on_at
                                                  ELSE COALESCE(emitted_at, received_at) END) AS took
      FROM fulfillment_shipment
     WHERE fulfilled_at > now() - interval '1 hour' ORDER BY fulfilled_at DESC LIMIT %(latest)s
), held AS (
    SELECT count(*) AS held, extract(epoch FROM now() - min(COALESCE(emitted_at, received_at))) AS held_for
      FROM fulfillment_shipment WHERE state = 'held'
), worst AS (
    SELECT u.wms_shipment_id AS shipment, u.connection_id, extract(epoch FROM now() - u.since) AS oldest, c.slug,
           o.name, s.domain
      FROM (SELECT * FROM untold ORDER BY since LIMIT 1) u
      JOIN wms_connection c ON c.id = u.connection_id
      LEFT JOIN wms_order_map w ON w.id = u.wms_order_id
      LEFT JOIN fulfillment_order o ON o.id = w.order_id
      LEFT JOIN shops_shop s ON s.id = o.shop_id
)
SELECT (SELECT count(*) FROM untold) AS untold, (SELECT count(*) FROM told) AS told,
       (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY took) FROM told) AS median,
       (SELECT percentile_cont(0.99) WITHIN GROUP (ORDER BY took) FROM told) AS p99,
       held.*, worst.*
  FROM held LEFT JOIN worst ON true
"""


def fulfilment_callback_time() -> Reading:
    """Seconds since the WMS's emission of the oldest shipment that is no fulfilment yet, or the median of those told
    lately, whichever is longer."""
    (row,) = mappings(_TIMES, latest=LATEST)
    names = ("oldest", "median", "p99", "untold", "told", "held", "held_for")
    figures = {name: max(0.0, float(row[name] or 0)) for name in names}
    usual = figures["median"] if figures["told"] >= FEW else 0.0
    parts: dict[Part, float] = {}
    parts.update(figures.items())
    return Reading(
        max(figures["oldest"], usual), _detail(row, figures), parts, words=_words(row, figures, usual=usual)
    )


def _parcel(row: dict[str, Any]) -> str:
    order = f" of order {row['name']} of {row['domain']}" if row["name"] else ""
    return f"{row['shipment']} of {row['slug']}{order}"


def _detail(row: dict[str, Any], figures: dict[str, float]) -> str:
    now = (
        f"{figures['untold']:.0f} to be told, {_parcel(row)} for {spoken(figures['oldest'])}"
        if row["shipment"] is not None
        else "none to be told"
    )
    held = f"; {figures['held']:.0f} held for a person, {spoken(figures['held_for'])} at most"
    lately = f"; latest told: median {spoken(figures['median'])}, p99 {spoken(figures['p99'])}"
    return f"{now}{lately if figures['told'] else ''}{held if figures['held'] else ''}"


def _words(row: dict[str, Any], figures: dict[str, float], *, usual: float) -> Words:
    lately = (
        f"Of the latest reported parcels, half took {spoken(figures['median'])} or longer from the WMS's report to the "
        "fulfilment in Shopify."
    )
    if row["shipment"] is not None and figures["oldest"] >= usual:
        return Words(
            title=f"parcel {_parcel(row)} has not been reported to Shopify for {spoken(figures['oldest'])}",
            meaning="The customer has not been told that it left. The parcels that wait to be reported are "
            f"{figures['untold']:.0f} in all. " + (lately if usual else "").strip(),
            shop=row["domain"] or "",
            cause=shipment_subject(row["connection_id"], row["shipment"]),
        )
    return Words(
        title=f"{spoken(usual)} in the median",
        meaning=f"{lately} {figures['untold']:.0f} wait to be reported now. This alert closes by itself with the next "
        "parcels, at the latest in an hour.",
        action="Compare the times of the latest shipments. If the time from *emitted* to *received* is long, the WMS "
        "sends its callbacks late, or its clock is wrong. If the time from *received* to *fulfilled* is long, look at "
        "the shop's lane.",
    )


FULFILMENT_CALLBACK_TIME = Metric(
    name="fulfilment_callback_time",
    label="Fulfilment callback time",
    unit=Unit.SECONDS,
    labels=("figure",),
    definition="The time from a WMS's emission of the first report of a shipment, by its own clock, to the fulfilment "
    "in Shopify: the longest of the shipments that are no fulfilment yet, with their time until now, or the median of "
    f"the latest {LATEST} told in the last hour, whichever is longer. A time in the future counts as our receipt. A "
    "shipment that was held, or of which more was reported, counts from when it went on. Shipments that are held for a "
    "person do not count and are shown apart; those of a shop that is switched off do not count either.",
    advice="Look at Shipments that are received or fulfilling and at the shop's lane: customers have not "
    "been told that their parcel left.",
    read=fulfilment_callback_time,
)
