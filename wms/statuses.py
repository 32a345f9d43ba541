"""One vocabulary for the states of a WMS order, whatever the vendor calls them."""

import re

from django.db.models import TextChoices


class WmsStatus(TextChoices):
    """States of a WMS order in the order they happen; held by a constraint of `wms_order_map`."""

    PENDING = "pending", "Pending"  # decided, nothing sent yet
    SUBMITTING = "submitting", "Submitting"  # a create call may have gone out, its outcome is not recorded
    ACCEPTED = "accepted", "Accepted"  # the WMS has it, nobody has touched goods
    PICKING = "picking", "Picking"
    PACKED = "packed", "Packed"
    MANIFESTED = "manifested", "Manifested"  # handed to the carrier's manifest, label printed
    SHIPPED = "shipped", "Shipped"
    PARTIALLY_SHIPPED = "partially_shipped", "Partially shipped"
    CANCEL_REQUESTED = "cancel_requested", "Cancellation requested"  # asked, neither confirmed nor declined
    CANCELLED = "cancelled", "Cancelled"
    REJECTED = "rejected", "Rejected"  # the WMS refused it for good
    UNKNOWN = "unknown", "Unknown"  # the WMS says a word that we do not know


AT_THE_WMS = [
    WmsStatus.ACCEPTED.value,
    WmsStatus.PICKING.value,
    WmsStatus.PACKED.value,
    WmsStatus.MANIFESTED.value,
    WmsStatus.PARTIALLY_SHIPPED.value,
    WmsStatus.CANCEL_REQUESTED.value,
    WmsStatus.UNKNOWN.value,
]
"""States that only the WMS can lead further: it has the order, and is not done with it (also in an index)."""


# "pending" and "submitted" of a vendor mean that it has the order: our PENDING means that it has not.
# "packing" asks rather than gives up: the WMS can still decline.
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
    """The state that a vendor's word means (any case, any separators); `UNKNOWN` when we cannot tell."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", word.strip())
    return _BY_WORD.get(re.sub(r"[^a-z]+", "_", spaced.lower()).strip("_"), WmsStatus.UNKNOWN)
