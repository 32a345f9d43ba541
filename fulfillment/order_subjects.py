"""What orders are called where ops knows only the subject of a job: in dead letters and lists of jobs."""

from __future__ import annotations

from collections.abc import Collection

from fulfillment.models import Order
from fulfillment.refs import parse_order
from ops.queue.subjects import SubjectName
from shops.models import Shop


def names(subjects: Collection[str]) -> dict[str, SubjectName]:
    """By Order.subject: the order's name, or Shopify's id of one that was never read; two statements."""
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
