"""Which job does what about an order: kinds, keys, lanes and priorities, by the room that does the work.

All of them coalesce: a key is the same job for ever, whoever asks for it and however often.
"""

from __future__ import annotations

from fulfillment.jobs.orders import (
    backfill,
    backfill_pending,
    find_order,
    read_order,
)
from fulfillment.jobs.returns import announce_return
from fulfillment.jobs.shipments import compare, fulfill, move, moving, update_tracking
from fulfillment.jobs.wms_orders import (
    cancel,
    expect_cancellation,
    expect_shipment,
    look_up,
    looking_up,
    reduce,
    route,
    submit,
)

__all__ = [
    "announce_return",
    "backfill",
    "backfill_pending",
    "cancel",
    "compare",
    "expect_cancellation",
    "expect_shipment",
    "find_order",
    "fulfill",
    "look_up",
    "looking_up",
    "move",
    "moving",
    "read_order",
    "reduce",
    "route",
    "submit",
    "update_tracking",
]
