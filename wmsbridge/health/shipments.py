"""How long customers wait to be told that their parcel left."""

from __future__ import annotations

from wmsbridge.health.measuring import Metric, Reading, numbers

_FULFILMENT = """
SELECT extract(epoch FROM now() - (SELECT min(received_at) FROM fulfillment_shipment
                                    WHERE state IN ('received', 'fulfilling'))),
       (SELECT percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM fulfilled_at - received_at))
          FROM fulfillment_shipment WHERE fulfilled_at > now() - interval '1 hour')
"""


def fulfilment_callback_time() -> Reading:
    """Seconds since the oldest shipment was received that is no Shopify fulfilment yet; p99 of both."""
    oldest, p99 = numbers(_FULFILMENT)
    return Reading(oldest, f"p99 of the last hour: {p99:.1f} s", {"p99": p99})


FULFILMENT_CALLBACK_TIME = Metric(
    name="fulfilment_callback_time",
    label="Fulfilment callback time",
    unit="seconds",
    labels=("quantile",),
    definition="Seconds since the oldest shipment was received that is no Shopify fulfilment yet.",
    advice="Look at Shipments that are received or fulfilling and at the shop's lane: customers have not "
    "been told that their parcel left.",
    read=fulfilment_callback_time,
)
