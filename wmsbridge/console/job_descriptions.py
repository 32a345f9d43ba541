"""A job in plain words: what work it is, what it means that it is dead, what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

from ops.models import Job

CONTRACT = "Have the vendor correct what the reason names and send it anew, then discard this one."
SCOPES = "Look at the shop: are the app's scopes complete, is its API version still supported?"
UNSEEN = "What Shopify told of is not looked at; the backfill makes up for it within minutes."


@dataclass(frozen=True)
class Words:
    """`work` completes «Its work is to …»; `meaning`: what its death means; `remedy`: what removes the usual cause."""

    work: str
    meaning: str
    remedy: str = ""


UNKNOWN = Words("do something that this installation does not know", "It stays undone.")

WORDS: dict[str, Words] = {
    "ops.ids_reused": Words(
        "tell staff of a sender that gives several events one id",
        "The events are worked on; nobody is told of it.",
    ),
    "fulfillment.submit": Words(
        "place the order at the warehouse",
        "The order is not placed, or nobody knows it. Its stock stays reserved.",
        "Correct the item's mapping, the warehouse's code, or the address in Shopify.",
    ),
    "fulfillment.read_orders": Words(
        "read the order at Shopify", "Here the order stands as it was read before, or not at all.", SCOPES
    ),
    "fulfillment.find_order": Words(
        "ask Shopify which order a fulfilment order belongs to", "A change of that order may be unknown here."
    ),
    "fulfillment.route": Words("choose a warehouse for the order", "The order goes nowhere."),
    "skumap.mapped": Words(
        "have Shopify told of the stock of variants that were mapped",
        "Their stock in Shopify is as before until it moves, or until the daily comparison.",
    ),
    "wms.stock_scope_changed": Words(
        "look whether a changed warehouse's stock has to be told anew",
        "Its stock in Shopify may be as before the change, until the daily comparison.",
    ),
    "fulfillment.move": Words(
        "move the fulfilment order to the chosen location in Shopify",
        "It ships all the same; Shopify counts the stock at another location.",
        SCOPES,
    ),
    "fulfillment.reduce": Words(
        "have the warehouse send less, as fewer units are asked for in Shopify",
        "The warehouse may send more than was ordered.",
        "Look in the WMS now, and reduce or cancel the order there.",
    ),
    "fulfillment.cancel": Words(
        "cancel the order at the warehouse",
        "It was cancelled in Shopify and may still be picked and shipped.",
        "Look in the WMS now, and cancel it there.",
    ),
    "fulfillment.announce_return": Words(
        "announce a return to the warehouse", "The warehouse does not expect the goods."
    ),
    "fulfillment.fulfil": Words(
        "tell Shopify of the shipment",
        "The parcel is on its way and the customer has no tracking number.",
        SCOPES,
    ),
    "fulfillment.compare": Words(
        "See whether a fulfilment of ours was cancelled in Shopify",
        "Nobody is told that Shopify asks again for goods that left.",
        "Look at the order's fulfilments in Shopify. Remove the reason, then replay it.",
    ),
    "fulfillment.update_tracking": Words(
        "tell Shopify the corrected tracking number", "The customer has the old one.", SCOPES
    ),
    "fulfillment.expect_shipment": Words(
        "look whether a shipment was reported", "A missing shipment report may go unnoticed."
    ),
    "fulfillment.backfill": Words("read what changed at the shop", "Missed webhooks stay missed.", SCOPES),
    "fulfillment.expect_cancellation": Words(
        "look whether the WMS answered a cancellation", "A cancelled order may be shipped unnoticed."
    ),
    "fulfillment.look_up": Words(
        "ask the WMS about orders it has told nothing of",
        "Missed callbacks stay missed until the next round.",
    ),
    "shopify.notices_lost": Words(
        "read what the shop has not told us", "The next backfill makes up for it within minutes."
    ),
    "shopify.settings_changed": Words(
        "read the shop's unsent orders again after its settings were changed",
        "They go by the new settings within three hours.",
    ),
    "wms.warehouses_changed": Words(
        "read orders again that lie at a warehouse's location",
        "Orders at that location are not known to be ours until something about them changes.",
    ),
    "wms.shipment": Words("book a shipment", "The parcel is not counted, and Shopify not told.", CONTRACT),
    "wms.order_status": Words("note an order's state at the WMS", "The order's state here is old.", CONTRACT),
    "wms.return_receipt": Words("book returned goods", "Nobody is told that the goods are back.", CONTRACT),
    "wms.inventory": Words(
        "note a stock figure",
        "The next figure, or the reconciliation every 15 minutes, makes up for it.",
        CONTRACT,
    ),
    "wms.unrecognised": Words(
        "look at a callback of a type that we do not know",
        "What it says is not looked at.",
        CONTRACT,
    ),
    "inventory.push": Words("tell Shopify what is in stock", "Shopify may sell what is not there.", SCOPES),
    "inventory.reconcile": Words(
        "read stock from the WMS", "Figures that no callback told of are old until the next reconciliation."
    ),
    "skumap.verify": Words("compare mappings with Shopify", "A changed SKU may be unknown here.", SCOPES),
    "skumap.wake": Words(
        "wake the orders that waited for imported mappings", "They go on within a quarter of an hour."
    ),
    "shops.check_installed": Words(
        "ask whether the app is installed", "A shop that is gone may be switched on."
    ),
    "shopify.redact_if_gone": Words(
        "erase the customers of a shop that is gone", "What is stored of them is still there."
    ),
    "shops.check_subscriptions": Words(
        "compare the shop's webhook subscriptions", "Some changes may reach us only by the backfill.", SCOPES
    ),
    "ops.notify": Words(
        "send an alert to people", "It is in the console; nobody was told of it.", "Look at the alert itself."
    ),
}

HAPPENED = {
    "Permanent": "It was refused for good: trying the same again would be refused again.",
    "Transient": "It failed again and again until its attempts were used up.",
    "UnknownOutcome": "Its answers got lost again and again until its attempts were used up.",
    "WorkerLost": "Each time, the worker that ran it died or was killed.",
    "NoOwner": "The worker that got it does not know this kind of job.",
}
TO_DO = {
    "Permanent": "Remove the cause that the reason names, then replay it.",
    "Transient": "See that the other system answers again, then replay it.",
    "UnknownOutcome": "See that the other system answers again, then replay it: it looks before it acts.",
    "WorkerLost": "Look at the worker's logs and its memory before you replay it: it would kill the next worker too.",
    "NoOwner": "Is an old version still running? Once all workers are updated, replay it.",
}
BUG_HAPPENED = "It met an error that nobody expected: a fault of wmsbridge, or data that it cannot take."
BUG_TO_DO = "Tell the engineers: the logs have the event «job_bug» with this job's number. Replay it once it is mended."


@dataclass(frozen=True)
class DeadLetter:
    """What happened, what it means, what to do."""

    happened: str
    meaning: str
    action: str


def words_of(kind: str) -> Words:
    """The words of a job kind; webhooks, one kind per topic, share theirs."""
    if kind in WORDS:
        return WORDS[kind]
    return Words(f"look at what Shopify told of ({kind})", UNSEEN) if kind.startswith("shopify.") else UNKNOWN


def dead_letter(job: Job) -> DeadLetter:
    """Why a job is dead, in words for people who do not know the code."""
    words = words_of(job.kind)
    remedy, what_then = words.remedy, TO_DO.get(job.error_class, BUG_TO_DO)
    if job.error_class != "Permanent":
        remedy = ""
    elif words.remedy == CONTRACT:  # what was sent stays as it is
        what_then = ""
    return DeadLetter(
        happened=f"Its work is to {words.work}. {HAPPENED.get(job.error_class, BUG_HAPPENED)}",
        meaning=words.meaning,
        action=f"{remedy} {what_then}".strip(),
    )
