"""An order in words for people: its name, and the reason for its state."""

from __future__ import annotations

from collections.abc import Collection

from fulfillment.console import unsent
from fulfillment.models import Order
from fulfillment.models.states import Reason
from fulfillment.refs import parse_order
from ops.queue.subjects import SubjectName
from shops.models import Shop

LONGEST = 120


def why(order: Order) -> str:
    """Why it is in its state, and why some of its units are deferred while the others go."""
    own = _reason_text(Reason(order.reason), order.reason_detail) or unsent.why(order)
    if not order.deferred_reason or order.deferred_reason == order.reason:
        return own
    deferred = f"a part waits, {_reason_text(Reason(order.deferred_reason), order.deferred_detail)}"
    return f"{own}; {deferred}" if own else deferred


def shortened(text: str) -> str:
    """A text, shortened for a cell of a list."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _reason_text(reason: Reason, detail: str) -> str:
    return f"{reason.label}: {detail}".rstrip(": ") if reason else ""


def names(subjects: Collection[str]) -> dict[str, SubjectName]:
    """The names of orders by their subject, for dead letters and lists of jobs. Two statements.

    An order that was never read is named by Shopify's id.
    """
    ids = {subject: found for subject in subjects if (found := parse_order(subject))}
    shops = dict(Shop.objects.filter(id__in={shop for shop, _ in ids.values()}).values_list("id", "domain"))
    wanted = {order for _, order in ids.values()}
    rows = Order.objects.filter(shop_id__in=shops, shopify_order_id__in=wanted)
    known = {
        (shop, order): name for shop, order, name in rows.values_list("shop", "shopify_order_id", "name")
    }
    return {
        subject: SubjectName(f"order {known.get(key, key[1])}", shops[key[0]])
        for subject, key in ids.items()
        if key[0] in shops
    }
