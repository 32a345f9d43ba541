"""An order in words for people: what it is called, and why it stands where it stands."""

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
    """Its reason with the detail, and what of it may not go yet while the other parts do."""
    own = _said(Reason(order.reason), order.reason_detail) or unsent.why(order)
    if not order.deferred_reason or order.deferred_reason == order.reason:
        return own
    rest = f"a part waits, {_said(Reason(order.deferred_reason), order.deferred_detail)}"
    return f"{own}; {rest}" if own else rest


def shortened(text: str) -> str:
    """For a cell of a list."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _said(reason: Reason, detail: str) -> str:
    return f"{reason.label}: {detail}".rstrip(": ") if reason else ""


def names(subjects: Collection[str]) -> dict[str, SubjectName]:
    """What orders are called where ops knows only the subject of a job: in dead letters and lists of jobs.

    By Order.subject: the order's name, or Shopify's id of one that was never read; two statements.
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
