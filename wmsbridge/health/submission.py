"""Measures how long orders take from the first webhook to the confirmation of the WMS.

The time that an order waits for Shopify or for a person does not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings

from fulfillment.jobs.orders import READ_ORDERS
from fulfillment.refs import order_subject
from ops.models import Priority
from ops.refs import inbound
from shops.jobs import WEBHOOKS
from shops.refs import shop_lane
from wms.refs import connection_lane
from wmsbridge.health.measuring import AlertText, Metric, Part, Reading, Unit, duration_text, mappings

LATEST = 100
"""The median is over this many of the latest confirmations, so that it changes soon after the work goes on again."""

FEW = 5
"""The median of fewer orders than this means nothing, unless an order waits now for as long."""

MOST_UNREAD = 1_000
"""At most this many orders that are not read yet are looked at, those that have waited longest first."""

# A lag is the time that passed on the order's own clock, which stands still while the order waits for Shopify or for a
# person (fulfillment.order_states.own_clock). An order that waits on us is at one of three steps.
#   read     a webhook came and the order is not read: it has no row yet, or it waited for what the webhook reports
#   route    units of it are to be sent, and no warehouse was given them
#   submit   a warehouse was given it, and its WMS has not confirmed it
# Parked work does not count, because it waits for others: for example, refused credentials have an alert of their own.
# Orders that the schedule reads once more have low priority. They do not count, because no webhook came.
_LAGS = """
WITH unfinished AS (
    SELECT kind, subject, priority, created_at, run_at FROM ops_job WHERE state = 'ready' AND parked_on = '{}'
     UNION ALL
    SELECT kind, subject, priority, created_at, run_at FROM ops_job WHERE state = 'running'
), reported AS MATERIALIZED (
    SELECT subject, min(CASE WHEN kind LIKE %(webhooks)s THEN created_at ELSE run_at END) AS due FROM unfinished
     WHERE priority < %(by_itself)s AND (kind LIKE %(webhooks)s OR kind = %(read)s)
     GROUP BY subject ORDER BY due LIMIT %(unread)s
), named AS MATERIALIZED (
    SELECT subject, split_part(subject, ':', 2)::bigint AS shop_id, split_part(subject, ':', 3)::bigint AS number
      FROM reported WHERE subject ~ '^order:[0-9]{1,18}:[0-9]{1,18}$'
), waits AS (
    SELECT 'read' AS step, COALESCE(o.name, n.number::text) AS name, n.shop_id, n.number, NULL::bigint AS warehouse_id,
           now() - first.at + COALESCE(
             o.state_since - o.waited_at_shopify - o.waited_for_person - o.received_at, interval '0') AS lag
      FROM named n
      LEFT JOIN fulfillment_order o ON o.shop_id = n.shop_id AND o.shopify_order_id = n.number
     CROSS JOIN LATERAL (
           SELECT min(j.created_at) AS at FROM ops_job j
            WHERE j.subject = n.subject AND j.kind LIKE %(webhooks)s
              AND j.created_at > COALESCE(o.read_at, '-infinity')) first
     WHERE first.at IS NOT NULL AND (o.id IS NULL OR o.state = 'waiting')
     UNION ALL
    SELECT 'route', name, shop_id, shopify_order_id, NULL, now() - waited_at_shopify - waited_for_person - owed_from
      FROM fulfillment_order
     WHERE owed_from IS NOT NULL AND state NOT IN ('held', 'waiting', 'cancelled')
     UNION ALL
    SELECT 'submit', o.name, o.shop_id, o.shopify_order_id, w.warehouse_id,
           now() - COALESCE(w.owed_from + o.waited_at_shopify + o.waited_for_person, w.created_at)
      FROM wms_order_map w JOIN fulfillment_order o ON o.id = w.order_id
     WHERE w.wms_status IN ('pending', 'submitting') AND o.state NOT IN ('held', 'waiting', 'cancelled')
), confirmed AS (
    SELECT COALESCE(w.lag, w.accepted_at - w.created_at) AS lag, o.waited_at_shopify, o.waited_for_person
      FROM wms_order_map w JOIN fulfillment_order o ON o.id = w.order_id
     WHERE w.accepted_at > now() - interval '1 hour' ORDER BY w.accepted_at DESC LIMIT %(latest)s
), lags AS (
    SELECT extract(epoch FROM lag) AS lag FROM waits UNION ALL SELECT extract(epoch FROM lag) FROM confirmed
), worst AS (
    SELECT w.step, w.name, w.shop_id, w.number, s.domain, c.slug, extract(epoch FROM w.lag) AS lag, l.paused,
           h.paused AS warehouse_paused,
           NOT (s.is_active AND COALESCE(h.is_active, true) AND COALESCE(c.is_active, true)) AS switched_off
      FROM (SELECT * FROM waits ORDER BY lag DESC LIMIT 1) w
      JOIN shops_shop s ON s.id = w.shop_id
      LEFT JOIN warehouse_locations h ON h.id = w.warehouse_id
      LEFT JOIN wms_connection c ON c.id = h.connection_id
      LEFT JOIN ops_lane l ON l.name = CASE WHEN c.id IS NOT NULL THEN 'wms:' || c.slug ELSE 'shop:' || s.domain END
)
SELECT (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY lag) FROM lags) AS median,
       (SELECT count(*) FROM waits) AS waiting,
       (SELECT count(*) FROM confirmed) AS confirmed,
       (SELECT percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM lag)) FROM confirmed) AS p99,
       (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM waited_at_shopify))
          FROM confirmed) AS at_shopify,
       (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM waited_for_person))
          FROM confirmed) AS for_a_person,
       worst.*
  FROM (SELECT 1) AS one LEFT JOIN worst ON true
"""


@dataclass(frozen=True)
class Worst:
    """The order that has waited on us for the longest time, in seconds, and at which step."""

    name: str
    domain: str
    subject: str
    lag: float
    step: str
    slug: str
    lane_paused: bool
    warehouse_paused: bool
    switched_off: bool

    @property
    def description(self) -> str:
        """What the order waits for, in words."""
        if self.step == "read":
            return "it is not read at Shopify yet"
        if self.step == "route":
            return "it is not routed to a warehouse yet"
        return f"the WMS {self.slug} has not confirmed it"

    @property
    def lane(self) -> str:
        """The lane of the job that the order waits for."""
        if self.step == "submit":
            return connection_lane(self.slug)
        calls = shop_lane(self.domain)
        return calls if self.step == "read" else inbound(calls)

    @property
    def to_do(self) -> str:
        """What a person does first about it."""
        if self.switched_off:
            return "Its shop, connection or warehouse is switched off: switch it on, or send the order from another. "
        if self.warehouse_paused:
            return "Its warehouse is paused: resume it, or send the order from another. "
        if self.lane_paused:
            return f"Its lane {self.lane} is paused: resume it. "
        return f"Look at its lane {self.lane} first. "


def longest_wait() -> float:
    """No order may wait on us for more seconds than this, whatever the median is."""
    return float(settings.HEALTH_THRESHOLDS["order_submission_worst"])


def order_submission_lag() -> Reading:
    """Read the metric: the median in seconds over the orders that wait on us and the latest that were confirmed.

    It is urgent if one order has waited on us for too long.
    """
    (row,) = mappings(
        _LAGS,
        latest=LATEST,
        unread=MOST_UNREAD,
        by_itself=int(Priority.LOW),
        webhooks=f"{WEBHOOKS}%",
        read=READ_ORDERS.name,
    )
    figures = {
        name: float(row[name] or 0)
        for name in ("median", "p99", "waiting", "confirmed", "at_shopify", "for_a_person")
    }
    worst = _worst(row)
    lag = worst.lag if worst else 0.0
    enough = figures["waiting"] + figures["confirmed"] >= FEW or (
        worst is not None and lag >= figures["median"]
    )
    parts: dict[Part, float] = {"worst": lag}
    parts.update(figures.items())
    return Reading(
        figures["median"],
        _detail(figures, worst),
        parts,
        meaningful=enough,
        urgent=lag > longest_wait(),
        alert_text=_alert_text(figures, worst),
    )


def _worst(row: dict[str, Any]) -> Worst | None:
    """The order that has waited for the longest time; None if no order waits on us."""
    if row["name"] is None:
        return None
    return Worst(
        name=row["name"],
        domain=row["domain"],
        subject=order_subject(row["shop_id"], row["number"]),
        lag=max(0.0, float(row["lag"])),
        step=row["step"],
        slug=row["slug"] or "",
        lane_paused=bool(row["paused"]),
        warehouse_paused=bool(row["warehouse_paused"]),
        switched_off=bool(row["switched_off"]),
    )


def _detail(figures: dict[str, float], worst: Worst | None) -> str:
    """The line of text about the metric: the median, the order that waits longest, and what orders waited for
    others."""
    now = (
        f"{figures['waiting']:.0f} waiting on us, {worst.name} of {worst.domain} for {duration_text(worst.lag)}"
        if worst
        else "none waiting on us"
    )
    waited = [
        f"{duration_text(figures[figure])} {words}"
        for figure, words in (("at_shopify", "at Shopify"), ("for_a_person", "for a person"))
        if figures[figure] >= 1
    ]
    apart = f"; apart from that the latest waited {' and '.join(waited)} (median)" if waited else ""
    confirmed = (
        f"; p99 of the latest confirmed: {duration_text(figures['p99'])}" if figures["confirmed"] else ""
    )
    return f"median; {now}{confirmed}{apart}"


def _alert_text(figures: dict[str, float], worst: Worst | None) -> AlertText:
    """The text of the alert. It is about the worst order if that waits too long, else about the median."""
    median = duration_text(figures["median"])
    many = f"Half of the orders take {median} or longer from the first webhook to the WMS's confirmation"
    if worst is None:
        return AlertText(
            title=f"{median} in the median",
            meaning=f"{many}. No order is waiting now. This alert closes by itself with the next orders, at the "
            "latest in an hour.",
            action="Find out what delayed the orders of the last hour: look at lanes, circuits and the submission "
            "worker.",
        )
    late = worst.lag > longest_wait()
    title = f"order {worst.name} of {worst.domain} has been waiting for {duration_text(worst.lag)}"
    return AlertText(
        title=title if late else f"{median} in the median",
        meaning=f"{many}. Orders that wait on us now: {figures['waiting']:.0f}. {worst.name} of {worst.domain} has "
        f"waited longest, {duration_text(worst.lag)}: {worst.description}. No order should take "
        f"longer than {duration_text(longest_wait())}.",
        action=f"{worst.to_do}{ORDER_SUBMISSION_LAG.advice}",
        shop=worst.domain if late else "",
        cause=worst.subject,
    )


ORDER_SUBMISSION_LAG = Metric(
    name="order_submission_lag",
    label="Order submission lag",
    unit=Unit.SECONDS,
    labels=("figure",),
    definition="The median time from the receipt of the first webhook of an order to its WMS's confirmation. The "
    f"orders that wait on us now count with their time until now, and the latest {LATEST} confirmed of the last hour. "
    "A later part of an order counts from the webhook that says it may go. Time that an order waits at Shopify "
    "(unpaid, scheduled, on hold) or for a person (held) does not count and is shown apart. Staff are alerted about "
    "the median, and about any order that waits on us for longer than the second threshold.",
    advice="Look at the lanes: is a circuit open, is a lane paused, is the submission worker running? Then look at "
    "Orders, filter «routed, not sent»: the order's page shows what its jobs wait for.",
    read=order_submission_lag,
)
