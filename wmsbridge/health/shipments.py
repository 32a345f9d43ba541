"""Measures how long it takes until Shopify, and so the customer, knows of a shipment that left."""

from __future__ import annotations

from typing import Any

from fulfillment.refs import shipment_subject
from wmsbridge.health.measuring import AlertText, Metric, Part, Reading, Unit, duration_text, mappings

LATEST = 100
"""The median is over this many of the latest fulfilments, so that it changes soon after the work goes on again."""

FEW = 5
"""The median of fewer fulfilments than this means nothing."""

# The time of a shipment begins when the WMS sent its first report (or when we got it, if the former was not kept yet).
# If the shipment was held, or if more was reported of it, its time begins when it went on. Some shipments do not count,
# because nothing would close their alert: a shipment of a kit that waits for the others, a shipment that waits for
# a person, and one of a shop that is switched off.
_TIMES = """
WITH untold AS (
    SELECT id, COALESCE(went_on_at, emitted_at, received_at) AS since, connection_id, wms_order_id, wms_shipment_id
      FROM fulfillment_shipment WHERE state IN ('received', 'fulfilling')
       AND NOT EXISTS (SELECT FROM wms_order_map part
                         JOIN fulfillment_order o ON o.id = part.order_id
                         JOIN shops_shop s ON s.id = o.shop_id
                        WHERE part.id = fulfillment_shipment.wms_order_id AND NOT s.is_active)
), reported AS (
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
SELECT (SELECT count(*) FROM untold) AS untold, (SELECT count(*) FROM reported) AS told,
       (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY took) FROM reported) AS median,
       (SELECT percentile_cont(0.99) WITHIN GROUP (ORDER BY took) FROM reported) AS p99,
       held.*, worst.*
  FROM held LEFT JOIN worst ON true
"""


def fulfilment_callback_time() -> Reading:
    """Read the metric, in seconds.

    It is the time since the WMS reported the oldest shipment that is no fulfilment yet, or the median time of the
    latest fulfilments, whichever is longer.
    """
    (row,) = mappings(_TIMES, latest=LATEST)
    names = ("oldest", "median", "p99", "untold", "told", "held", "held_for")
    figures = {name: max(0.0, float(row[name] or 0)) for name in names}
    usable_median = figures["median"] if figures["told"] >= FEW else 0.0
    parts: dict[Part, float] = {}
    parts.update(figures.items())
    return Reading(
        max(figures["oldest"], usable_median),
        _detail(row, figures),
        parts,
        alert_text=_alert_text(row, figures, usable_median=usable_median),
    )


def _shipment(row: dict[str, Any]) -> str:
    order = f" of order {row['name']} of {row['domain']}" if row["name"] else ""
    return f"{row['shipment']} of {row['slug']}{order}"


def _detail(row: dict[str, Any], figures: dict[str, float]) -> str:
    """The line of text about the metric: what waits now, what was reported lately, and what is held."""
    now = (
        f"{figures['untold']:.0f} to be told, {_shipment(row)} for {duration_text(figures['oldest'])}"
        if row["shipment"] is not None
        else "none to be told"
    )
    held = f"; {figures['held']:.0f} held for a person, {duration_text(figures['held_for'])} at most"
    lately = f"; latest told: median {duration_text(figures['median'])}, p99 {duration_text(figures['p99'])}"
    return f"{now}{lately if figures['told'] else ''}{held if figures['held'] else ''}"


def _alert_text(row: dict[str, Any], figures: dict[str, float], *, usable_median: float) -> AlertText:
    """The text about the oldest shipment that waits, or about the median if that is longer."""
    lately = (
        f"Of the latest reported shipments, half took {duration_text(figures['median'])} or longer from the WMS's "
        "report to the fulfilment in Shopify."
    )
    if row["shipment"] is not None and figures["oldest"] >= usable_median:
        return AlertText(
            title=f"shipment {_shipment(row)} has not been reported to Shopify for {duration_text(figures['oldest'])}",
            meaning="The customer has not been told that it left. The shipments that wait to be reported are "
            f"{figures['untold']:.0f} in all. " + (lately if usable_median else "").strip(),
            shop=row["domain"] or "",
            cause=shipment_subject(row["connection_id"], row["shipment"]),
        )
    return AlertText(
        title=f"{duration_text(usable_median)} in the median",
        meaning=f"{lately} {figures['untold']:.0f} wait to be reported now. This alert closes by itself with the next "
        "shipments, at the latest in an hour.",
        action="Compare the times of the latest shipments. If the time from *emitted* to *received* is long, the WMS "
        "sends its callbacks late, or its clock is wrong. If the time from *received* to *fulfilled* is long, look at "
        "the shop's lane.",
    )


FULFILMENT_CALLBACK_TIME = Metric(
    name="fulfilment_callback_time",
    label="Fulfilment callback time",
    unit=Unit.SECONDS,
    labels=("figure",),
    definition="The time from a WMS's emission of the first report of a shipment, by its own clock, to the "
    "fulfilment in Shopify. The value is the longest time until now of a shipment that is no fulfilment yet, or the "
    f"median of the latest {LATEST} fulfilments of the last hour, whichever is longer. If the time of the report is "
    "in the future, the time of its receipt counts. The time of a shipment that was held, or of which more was "
    "reported, begins when it went on. Shipments that are held for a person do not count and are shown apart. Those "
    "of a shop that is switched off do not count either.",
    advice="Look at the shipments that are received or fulfilling, and at the shop's lane. Their customers have "
    "not been told that the goods left.",
    read=fulfilment_callback_time,
)
