"""Pushes the marked levels of a shop to Shopify.

The steps are: collect what is due (`push_due`), read Shopify (`shopify_levels`), decide (`push_plan`), call Shopify
(`push_batches`), and record the result.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from django.db import connection, transaction

from inventory import alerts, jobs
from inventory.push import push_batches, push_cost, push_due, shopify_levels
from inventory.push.push_batches import Outcome
from inventory.push.push_due import Plan
from inventory.push.push_plan import Change, Decision, Product, Reading, Stock, decide
from inventory.stock import push_window
from ops.errors import Permanent, Throttled, Transient
from shops.budget import points
from shops.ids import InventoryItemId
from shops.models import Shop
from skumap.refs import mapping_subject
from wms.models import Warehouse
from wms.refs import warehouse_subject

logger = structlog.get_logger(__name__)

RUN_SECONDS = 25.0
"""After this time no further warehouse is started: a run must end within 50 s, and one call may take 20."""

ACTIVATIONS = 20
"""The most items that one run stocks at a location: each is a call of its own."""

NO_DELAY = timedelta(0)

# The locks are taken in order, as in `locking`.
_RECORD = """
WITH locked AS (SELECT id FROM inventory_cache WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE)
UPDATE inventory_cache AS level
SET pushed_quantity = COALESCE(new.units, level.pushed_quantity),
    pushed_at = CASE WHEN new.units IS NULL THEN level.pushed_at ELSE now() END,
    push_due_since = CASE WHEN level.push_marked_at IS DISTINCT FROM new.marked_at THEN level.push_marked_at END,
    updated_at = now()
FROM locked
JOIN unnest(%(ids)s::bigint[], %(units)s::int[], %(marked_at)s::timestamptz[]) AS new (id, units, marked_at) USING (id)
WHERE level.id = new.id
"""


@dataclass
class Pushed:
    """The result of one run, counted in Shopify inventory items; levels without any are not counted."""

    sent: int = 0
    equal: int = 0
    activated: int = 0
    stale: int = 0
    refused: int = 0
    failed: list[int] = field(default_factory=list)  # ids of warehouses
    is_partial: bool = False  # levels may be due that this run did not take


def push(shop: Shop) -> Pushed:
    """Push up to PLAN_SIZE due levels of each of the shop's warehouses; if more are due, enqueue the job again.

    It calls Shopify, so it must not be in a transaction. Raises Throttled, Transient, UnknownOutcome. A Permanent
    refusal of one warehouse is alerted and does not stop the others.
    """
    push_batches.resume(shop)
    pushed, began = Pushed(), time.monotonic()
    for warehouse in push_due.warehouses_with_due_levels(shop):
        if time.monotonic() - began > RUN_SECONDS:
            pushed.is_partial = True
            break
        try:
            push_warehouse(warehouse, pushed)
        except Permanent as error:
            pushed.failed.append(warehouse.pk)
            _report_warehouse(warehouse, str(error))
    logger.info("stock_pushed", shop=shop.domain, sent=pushed.sent, equal=pushed.equal, stale=pushed.stale)
    _enqueue_rest(shop, pushed)
    return pushed


def push_warehouse(warehouse: Warehouse, pushed: Pushed) -> None:
    """Push one batch of one warehouse, as large as the shop's points allow; the result is added to `pushed`.

    The points for all its calls are taken before the first read. Raises as `push`, and Permanent.
    """
    planned = push_cost.fitting_plan(warehouse)
    pushed.is_partial |= planned.is_full
    with points.work(f"inventory.push:{warehouse.pk}", expected=push_cost.points(planned)):
        _push_plan(warehouse, planned, pushed)


def _push_plan(warehouse: Warehouse, planned: Plan, pushed: Pushed) -> None:
    readings = shopify_levels.read(
        warehouse.shop, location=warehouse.shopify_location_id, inventory_items=planned.inventory_items
    )
    decision = decide(
        warehouse.connection.stock_basis,
        targets=planned.targets,
        sharing=planned.sharing,
        stocks=planned.stocks,
        readings=readings,
    )
    outcome = push_batches.set_quantities(warehouse, decision.changes)
    activated, throttled = _activate(warehouse, (*decision.activations, *outcome.unstocked), outcome)
    outcome.refused |= {product.inventory_item: "Shopify has no such item" for product in decision.unknown}
    record(warehouse, planned, decision, readings, outcome)
    _count(pushed, outcome, activated=activated, planned=len(planned.targets))
    if throttled:
        raise throttled


def _count(pushed: Pushed, outcome: Outcome, *, activated: int, planned: int) -> None:
    """Add a batch's result to that of the run; planned items of which nothing was changed were equal."""
    pushed.sent += len(outcome.done)
    pushed.activated += activated
    pushed.stale += len(outcome.stale)
    pushed.refused += len(outcome.refused)
    pushed.equal += planned - (len(outcome.done) + activated + len(outcome.stale) + len(outcome.refused))


def record(
    warehouse: Warehouse,
    planned: Plan,
    decision: Decision,
    readings: dict[InventoryItemId, Reading],
    outcome: Outcome,
) -> None:
    """Clear the marks of all due levels but those to be pushed again, store what Shopify has now, alert refusals.

    The mark of a level that was marked again meanwhile stays.
    """
    untracked = {item for item, reading in readings.items() if not reading.tracked}
    unset = outcome.refused.keys() | untracked
    pushed_codes = _item_codes(p for p in planned.targets if p.inventory_item not in unset)
    retry_codes = _item_codes(p for p in planned.targets if p.inventory_item in outcome.stale)
    with transaction.atomic():
        _clear_marks(
            {
                stock: decision.offered[stock.level_id] if stock.item_code in pushed_codes else None
                for stock in planned.stocks
                if stock.item_code in planned.due - retry_codes
            }
        )
        _report(warehouse, planned.targets, outcome)


def _item_codes(products: Iterable[Product]) -> set[str]:
    return {item for product in products for item, _ in product.components}


def _clear_marks(quantities: Mapping[Stock, int | None]) -> None:
    """Clear the marks of levels and store the quantities that Shopify has; None = its quantity was not set."""
    if not quantities:
        return
    row: dict[str, Any] = {
        "ids": [stock.level_id for stock in quantities],
        "units": list(quantities.values()),
        "marked_at": [stock.marked_at for stock in quantities],
    }
    with connection.cursor() as cursor:
        cursor.execute(_RECORD, row)


def _activate(
    warehouse: Warehouse, changes: Sequence[Change], outcome: Outcome
) -> tuple[int, Throttled | None]:
    """Stock items at the location; note refusals in the outcome, and items that must wait as stale.

    Returns the number of items stocked, and the error that stopped it. The caller records the result, then raises it.
    """
    activated = 0
    for number, change in enumerate(changes):
        throttled = None
        try:
            refusal = push_batches.activate(warehouse, change) if number < ACTIVATIONS else None
        except Throttled as error:
            throttled = error
        if throttled or number >= ACTIVATIONS:
            outcome.stale |= {each.product.inventory_item for each in changes[number:]}
            return activated, throttled
        if refusal is None:
            activated += 1
        else:
            outcome.refused[change.product.inventory_item] = refusal
    return activated, None


def _enqueue_rest(shop: Shop, pushed: Pushed) -> None:
    """Enqueue the push again if levels are due that another run could push.

    Whoever marked a level meanwhile has enqueued it already.
    Raises Transient if nothing was done because all quantities moved at Shopify, so that the next run waits longer.
    """
    if not pushed.is_partial and not pushed.stale:
        return
    rest = push_due.due_levels().filter(warehouse__shop=shop).exclude(warehouse__in=pushed.failed)
    if not rest.exists():
        return
    if pushed.stale and not (pushed.sent or pushed.activated or pushed.equal or pushed.refused):
        raise Transient(f"the figures of {pushed.stale} items at {shop.domain} moved while they were set")
    jobs.push(shop.id, lane=shop.lane, delay=push_window.SOON if pushed.stale else NO_DELAY)


def _report(warehouse: Warehouse, targets: Iterable[Product], outcome: Outcome) -> None:
    """Raise an alert for each product that Shopify refused, and close those of the others."""
    accepted = [
        mapping_subject(product.mapping_id)
        for product in targets
        if product.inventory_item not in outcome.refused
    ]
    alerts.STOCK_PUSH_REFUSED.close(warehouse_subject(warehouse.id), *accepted)
    for product in targets:
        if (words := outcome.refused.get(product.inventory_item)) is not None:
            alerts.stock_push_refused(
                warehouse, mapping_id=product.mapping_id, label=product.label, said=words
            )


def _report_warehouse(warehouse: Warehouse, words: str) -> None:
    logger.warning("stock_push_refused", warehouse=warehouse.pk, error=words)
    alerts.stock_push_refused_at(warehouse, said=words)
