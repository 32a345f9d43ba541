"""How long paid orders take to be confirmed by a warehouse."""

from __future__ import annotations

from wmsbridge.health.measuring import Metric, Reading, numbers

# Orders that a person must see to are not late, they are held, and have alerts of their own.
_SUBMISSION = """
SELECT GREATEST(0, extract(epoch FROM now() - LEAST(
         (SELECT min(ready_at) FROM fulfillment_order WHERE state = 'ready'),
         (SELECT min(o.ready_at) FROM wms_order_map w JOIN fulfillment_order o ON o.id = w.order_id
           WHERE w.wms_status IN ('pending', 'submitting')
             AND o.state NOT IN ('held', 'waiting', 'cancelled'))))),
       (SELECT percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM w.accepted_at - o.ready_at))
          FROM wms_order_map w JOIN fulfillment_order o ON o.id = w.order_id
         WHERE w.accepted_at > now() - interval '1 hour' AND o.ready_at IS NOT NULL)
"""


def order_submission_lag() -> Reading:
    """Seconds since the oldest order was ready that no WMS has accepted yet; p99 of ready to accepted."""
    oldest, p99 = numbers(_SUBMISSION)
    return Reading(oldest, f"p99 of the last hour: {p99:.1f} s", {"p99": p99})


ORDER_SUBMISSION_LAG = Metric(
    name="order_submission_lag",
    label="Order submission lag",
    unit="seconds",
    labels=("quantile",),
    definition="Seconds since the oldest order was ready that no WMS has accepted yet.",
    advice="Look at the lanes: is a circuit open, a lane paused, the submission worker running? Then at "
    "Orders in state «ready»: the order's page shows what its jobs wait for.",
    read=order_submission_lag,
)
