"""Judges whether a webhook tells of anything that we do not know. Pure.

A webhook never says what is stored (law 4). But if it shows the order exactly as it is stored, with no fulfilments but
those that we made and recorded, then nothing is there to be read. In any doubt a webhook is news.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from pydantic import ValidationError

from fulfillment.models import Order, OrderLine
from fulfillment.orders.notices import bodies
from fulfillment.orders.stored import rows
from fulfillment.shopify.snapshots import OrderNode
from ops.secrets import readable
from shops.ids import FulfillmentId, ShopifyLineId
from shops.models import Shop

B = TypeVar("B", bodies.Order, bodies.Fulfillment)

SHOWS_ORDER = frozenset(
    {
        "orders/create",
        "orders/paid",
        "orders/updated",
        "orders/fulfilled",
        "orders/partially_fulfilled",
    }
)
"""Topics whose body is the whole order."""

SHOWS_FULFILLMENT = "fulfillments/create"
_MADE = "success"


@dataclass(frozen=True)
class Webhook:
    """A stored webhook about an order. `body`: None if it was erased, or is too large to be looked at."""

    topic: str
    created_at: datetime
    body: Any


@dataclass(frozen=True)
class KnownOrder:
    """An order as it is stored.

    `remaining`: what open fulfilment orders still ask for, by our id of the line. `made`: the units of each fulfilment
    that we made and recorded. `is_settled`: it is at work or shipped, and nothing about it waits for a reading.
    """

    order: Order
    lines: Sequence[OrderLine]
    remaining: Mapping[int, int]
    made: Mapping[FulfillmentId, Mapping[ShopifyLineId, int]]
    is_settled: bool
    webhooks: Sequence[Webhook] = field(default=())


@dataclass(frozen=True)
class News:
    """What the webhooks since the last reading tell.

    `first_at`: when the first came that we cannot explain; None = there is none. `known_until`: the date of the last
    change that they show, by Shopify's clock; None if none shows one.
    """

    first_at: datetime | None = None
    known_until: datetime | None = None


def judge(known: KnownOrder) -> News:
    """What the webhooks about an order since its last reading tell that is not stored."""
    comparable = known.is_settled and _fits_its_fulfillments(known)
    until = None
    for webhook in known.webhooks:
        shown = _shown(known, webhook) if comparable else None
        if shown is None:
            return News(first_at=webhook.created_at)
        if isinstance(shown, bodies.Order):
            until = max(until or shown.updated_at, shown.updated_at)
    return News(known_until=until)


def is_up_to_date(shop: Shop, node: OrderNode, webhooks: Sequence[Webhook]) -> bool:
    """Whether a reading that may be old is not older than all these webhooks about an order that was never read before.

    It is not if it is newer than what they date, or shows what the newest of them show: several changes within one
    second have the same date. If it cannot be told, it counts as old.
    """
    shown = [_parsed(bodies.Order, each.body) for each in webhooks if each.topic in SHOWS_ORDER]
    dated = [each for each in shown if each is not None and each.id == node.id]
    if not dated or len(dated) < len(webhooks):
        return False
    newest = max(each.updated_at for each in dated)
    if newest != node.updated_at:
        return newest < node.updated_at
    order = rows.new_order(shop, node)
    read = KnownOrder(order, rows.new_lines(order, node), remaining={}, made={}, is_settled=True)
    return node.confirmed and all(_is_as_stored(read, each) for each in dated if each.updated_at == newest)


def _fits_its_fulfillments(known: KnownOrder) -> bool:
    """Whether the stored fulfilment orders ask for exactly the units that no fulfilment of ours has."""
    taken = _sum(known.made.values())
    return all(
        known.remaining.get(line.id, 0) == line.quantity - taken.get(line.shopify_line_id, 0)
        for line in known.lines
    )


def _sum(made: Iterable[Mapping[ShopifyLineId, int]]) -> dict[ShopifyLineId, int]:
    total: dict[ShopifyLineId, int] = {}
    for units in made:
        for line, quantity in units.items():
            total[line] = total.get(line, 0) + quantity
    return total


def _shown(known: KnownOrder, webhook: Webhook) -> bodies.Order | bodies.Fulfillment | None:
    """What a webhook shows, if it is known; None if it is news."""
    if webhook.topic == SHOWS_FULFILLMENT:
        made = _parsed(bodies.Fulfillment, webhook.body)
        return made if made and _is_ours(known, made) else None
    if webhook.topic in SHOWS_ORDER:
        order = _parsed(bodies.Order, webhook.body)
        return order if order and _is_as_stored(known, order) else None
    return None


def _parsed(shape: type[B], body: Any) -> B | None:
    try:
        return shape.model_validate(body)
    except ValidationError:
        return None


def _is_ours(known: KnownOrder, made: bodies.Fulfillment) -> bool:
    return made.status == _MADE and known.made.get(made.id) == made.units


def _is_as_stored(known: KnownOrder, shown: bodies.Order) -> bool:
    """Whether an order is shown as it is stored, with some or all of our fulfilments and no others."""
    undone = [*shown.refunds, *shown.returns]
    if undone or not shown.confirmed or shown.id != known.order.shopify_order_id:
        return False
    if not all(_is_ours(known, made) for made in shown.fulfillments):
        return False
    taken = _sum(made.units for made in shown.fulfillments)
    lines = {line.shopify_line_id: line for line in known.lines}
    return (
        len(shown.line_items) == len(lines)
        and all(
            line.id in lines and _is_same_line(lines[line.id], line, taken=taken.get(line.id, 0))
            for line in shown.line_items
        )
        and all(_stored(known.order, name) == value for name, value in _header_of(shown).items())
    )


def _stored(order: Order, name: str) -> Any:
    return readable(order, name) if name == "ship_to" else getattr(order, name)


def _is_same_line(stored: OrderLine, shown: bodies.Line, *, taken: int) -> bool:
    """`taken`: the units of the line in the fulfilments that are shown."""
    return (
        shown.current_quantity == stored.quantity
        and shown.fulfillable_quantity == stored.quantity - taken
        and shown.variant_id == (None if stored.variant_is_gone else stored.shopify_variant_id)
        and (shown.sku[:255], shown.title[:500]) == (stored.sku, stored.title)
        and (shown.requires_shipping, shown.gift_card) == (stored.requires_shipping, stored.is_gift_card)
    )


def _header_of(shown: bodies.Order) -> dict[str, Any]:
    """The fields of our row of the order, as a reading of what is shown would store them."""
    address = shown.shipping_address
    methods = [line.title for line in shown.shipping_lines if not line.is_removed]
    return {
        "name": shown.name[:100],
        "financial_status": shown.financial_status.upper()[:40],
        "is_test": shown.test,
        "cancelled_at": shown.cancelled_at,
        "placed_at": shown.processed_at,
        "country": address.country_code[:2] if address else "",
        "ship_to": rows.address_json(address.model_dump(), email=shown.email, phone=shown.phone)
        if address
        else "",
        "shipping_method": methods[0][:255] if methods else "",
    }
