"""What orders are called where ops knows only the subject of a job: in dead letters and lists of jobs."""

from __future__ import annotations

import re
from collections.abc import Collection

from fulfillment.models import Order
from ops.queue.subjects import Named
from shops.models import Shop

_SUBJECT = re.compile(r"order:(\d{1,18}):(\d{1,19})")
_BIGGEST = 2**63 - 1


def parse(subject: str) -> tuple[int, int] | None:
    """Our id of the shop and Shopify's of the order; None where the subject is no order's. See `Order.subject`."""
    found = _SUBJECT.fullmatch(subject)
    if found is None or int(found[2]) > _BIGGEST:
        return None
    return int(found[1]), int(found[2])


def names(subjects: Collection[str]) -> dict[str, Named]:
    """By Order.subject: the order's name, or Shopify's id of one that was never read; two statements."""
    ids = {subject: found for subject in subjects if (found := parse(subject))}
    shops = dict(Shop.objects.filter(id__in={shop for shop, _ in ids.values()}).values_list("id", "domain"))
    wanted = {order for _, order in ids.values()}
    rows = Order.objects.filter(shop_id__in=shops, shopify_order_id__in=wanted)
    known = {
        (shop, order): name for shop, order, name in rows.values_list("shop", "shopify_order_id", "name")
    }
    return {
        subject: Named(f"order {known.get(key, key[1])}", shops[key[0]])
        for subject, key in ids.items()
        if key[0] in shops
    }
