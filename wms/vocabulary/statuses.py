"""Our states of a WMS order, and the vendors' words for them."""

import re

from django.db.models import TextChoices


class WmsStatus(TextChoices):
    """States of a WMS order in the order in which they happen; a constraint of `wms_order_map` allows no others."""

    PENDING = "pending", "Pending"  # decided, nothing sent yet
    SUBMITTING = (
        "submitting",
        "Submitting",
    )  # a create call may have been sent, and its outcome is not recorded
    ACCEPTED = "accepted", "Accepted"  # the WMS has it, and picking has not begun
    PICKING = "picking", "Picking"
    PACKED = "packed", "Packed"
    MANIFESTED = "manifested", "Manifested"  # handed to the carrier's manifest, label printed
    SHIPPED = "shipped", "Shipped"
    PARTIALLY_SHIPPED = "partially_shipped", "Partially shipped"
    CANCEL_REQUESTED = "cancel_requested", "Cancellation requested"  # neither confirmed nor declined
    CANCELLED = "cancelled", "Cancelled"
    REJECTED = "rejected", "Rejected"  # the WMS refused it for good
    UNKNOWN = "unknown", "Unknown"  # the WMS uses a word that we do not know


AT_THE_WMS = [
    WmsStatus.ACCEPTED.value,
    WmsStatus.PICKING.value,
    WmsStatus.PACKED.value,
    WmsStatus.MANIFESTED.value,
    WmsStatus.PARTIALLY_SHIPPED.value,
    WmsStatus.CANCEL_REQUESTED.value,
    WmsStatus.UNKNOWN.value,
]
"""States in which the WMS has the order and has not finished it (also in an index)."""


# A vendor's "pending" and "submitted" mean that it has the order; our PENDING means that it does not have it.
# "packing" counts as PICKING, so that we still ask for a cancellation, which the WMS can decline.
_VENDOR_WORDS = {
    WmsStatus.ACCEPTED: (
        "accepted acknowledged allocated awaiting_fulfillment awaiting_pick awaiting_stock back_ordered "
        "backorder backordered confirmed created imported new on_hold open pending planned queued received "
        "released submitted unfulfilled waiting"
    ),
    WmsStatus.PICKING: "in_process in_progress in_work packing picked picking processing started",
    WmsStatus.PACKED: "boxed packed",
    WmsStatus.MANIFESTED: (
        "label_printed labeled labelled loaded manifested ready_for_pickup ready_to_ship staged"
    ),
    WmsStatus.SHIPPED: (
        "completed delivered despatched dispatched done fulfilled handed_over in_transit sent shipped"
    ),
    WmsStatus.PARTIALLY_SHIPPED: "part_shipped partial partially_fulfilled partially_shipped partly_shipped",
    WmsStatus.CANCEL_REQUESTED: (
        "cancel_requested canceling cancellation_requested cancelling pending_cancellation"
    ),
    WmsStatus.CANCELLED: "canceled cancelled deleted void voided",
    WmsStatus.REJECTED: "declined refused rejected",
}
_BY_WORD = {word: status for status, words in _VENDOR_WORDS.items() for word in words.split()}


def parse_status(word: str) -> WmsStatus:
    """Return the state for a vendor's word, in any case and with any separators; `UNKNOWN` if we do not know it."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", word.strip())
    return _BY_WORD.get(re.sub(r"[^a-z]+", "_", spaced.lower()).strip("_"), WmsStatus.UNKNOWN)
