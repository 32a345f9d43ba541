"""All schedules: the default interval of each, its queue, and the bounds within which staff may change it."""

from __future__ import annotations

from dataclasses import dataclass

from ops.queue.queues import Queue

MINUTE, HOUR, DAY = 60, 60 * 60, 24 * 60 * 60


@dataclass(frozen=True)
class Schedule:
    """A schedule, with seconds between two runs. `work` completes «It is to …»; `without` says what happens without
    it."""

    seconds: int
    queue: Queue
    least: int
    most: int
    work: str
    without: str


SCHEDULES = {
    "ops.sweep": Schedule(
        2,
        Queue.DISPATCH,
        1,
        10,
        "find the jobs whose message was lost, and those that are due again",
        "Whatever is to be tried again waits, and what a lost message announced stays undone.",
    ),
    "wmsbridge.tick": Schedule(
        10,
        Queue.MAINTENANCE,
        5,
        30,
        "show that beat, broker and workers work together",
        "/readyz says that the scheduler does not run.",
    ),
    "ops.recheck_parked": Schedule(
        MINUTE,
        Queue.MAINTENANCE,
        30,
        10 * MINUTE,
        "let work that waits long look at its cause again",
        "Held work goes on only when somebody wakes it.",
    ),
    "wmsbridge.measure_health": Schedule(
        MINUTE,
        Queue.MAINTENANCE,
        30,
        5 * MINUTE,
        "measure the six metrics and alert staff",
        "No metric raises an alert or ends one.",
    ),
    "fulfillment.backfill_all": Schedule(
        3 * MINUTE,
        Queue.MAINTENANCE,
        MINUTE,
        HOUR,
        "read what changed at Shopify, told or not",
        "An order whose webhook got lost is not seen.",
    ),
    "fulfillment.look_up_all": Schedule(
        5 * MINUTE,
        Queue.MAINTENANCE,
        MINUTE,
        HOUR,
        "ask WMSs about orders of which they told nothing",
        "A shipment whose callback got lost is not seen.",
    ),
    "inventory.reconcile_all": Schedule(
        15 * MINUTE,
        Queue.MAINTENANCE,
        MINUTE,
        DAY,
        "read the stock that changed at each WMS (the delta)",
        "Stock is right only as far as WMSs tell of each change: Shopify may sell what is not there.",
    ),
    "ops.prune": Schedule(
        10 * MINUTE,
        Queue.MAINTENANCE,
        MINUTE,
        DAY,
        "remove payloads and finished jobs past their age",
        "The database grows, and payloads are kept for longer than promised.",
    ),
    "fulfillment.erase_personal_data": Schedule(
        10 * MINUTE,
        Queue.MAINTENANCE,
        MINUTE,
        DAY,
        "erase customers' addresses past their age",
        "Personal data is kept for longer than promised.",
    ),
    "inventory.compare_all": Schedule(
        DAY,
        Queue.MAINTENANCE,
        HOUR,
        7 * DAY,
        "compare all stock with the WMSs and with Shopify",
        "A figure that is wrong in Shopify for whatever reason stays wrong until it moves.",
    ),
    "wmsbridge.clear_sessions": Schedule(
        DAY,
        Queue.MAINTENANCE,
        HOUR,
        30 * DAY,
        "remove staff's sessions that are over",
        "Old sessions pile up.",
    ),
    "shops.check_subscriptions_all": Schedule(
        HOUR,
        Queue.MAINTENANCE,
        10 * MINUTE,
        DAY,
        "see that each shop still sends its webhooks",
        "A shop whose webhooks stopped is read only by the backfill.",
    ),
}

MESSAGE_KEPT = 10 * MINUTE


def message_kept(seconds: int) -> int:
    """The seconds after which a message that no worker took is dropped, so that messages do not pile up.

    It is at least MESSAGE_KEPT: beat sets the time by its clock, and the worker compares it with its own clock.
    """
    return max(seconds, MESSAGE_KEPT)
