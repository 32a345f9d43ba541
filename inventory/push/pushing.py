"""Marked levels -> Shopify: what is due (`push_due`), a read of Shopify, the decision (`push_plan`), the calls
(`push_batches`), the record.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from django.db import connection, transaction

from inventory.push import push_batches, push_cost, push_due, shopify_levels
from inventory.push.push_batches import Outcome
from inventory.push.push_due import Plan
from inventory.push.push_plan import Change, Decision, Product, Reading, decide
from inventory.stock import effects, locking
from ops.alerting.alerts import close_alerts, raise_alert
from ops.errors import Permanent, Throttled, Transient
from shops.budget import points
from shops.models import Shop
from wms.models import Warehouse

logger = structlog.get_logger(__name__)

RUN_SECONDS = 25.0
"""After this no further warehouse is begun: a run must end within 50 s, and one call may take 20."""

ACTIVATIONS = 20
"""Items stocked at a location in one run: each is a call of its own."""

NO_DELAY = timedelta(0)
REFUSED = "stock_push_refused"

_RECORD = """
UPDATE inventory_cache AS level
SET pushed_quantity = COALESCE(new.units, level.pushed_quantity),
    pushed_at = CASE WHEN new.units IS NULL THEN level.pushed_at ELSE now() END,
    push_due_since = CASE WHEN level.push_marked_at IS DISTINCT FROM new.marked_at THEN level.push_marked_at END,
    updated_at = now()
FROM unnest(%s::bigint[], %s::int[], %s::timestamptz[]) AS new (id, units, marked_at)
WHERE level.id = new.id
"""


@dataclass
class Pushed:
    """What one run did, counted in Shopify inventory items; levels without any are not counted."""

    sent: int = 0
    equal: int = 0
    activated: int = 0
    stale: int = 0
    refused: int = 0
    failed: list[int] = field(default_factory=list)  # warehouses


def push(shop: Shop) -> Pushed:
    """Tell Shopify what is due: up to PLAN_SIZE levels of each of the shop's warehouses; more due = enqueued again.

    Calls Shopify: not in a transaction. Raises Throttled, Transient, UnknownOutcome; a Permanent refusal of one
    warehouse is alerted and does not hold up the others.
    """
    push_batches.resume(shop)
    pushed, began = Pushed(), time.monotonic()
    for warehouse in push_due.warehouses_with_due_levels(shop):
        if time.monotonic() - began > RUN_SECONDS:
            break
        try:
            push_warehouse(warehouse, pushed)
        except Permanent as error:
            pushed.failed.append(warehouse.pk)
            _report_warehouse(warehouse, str(error))
    logger.info("stock_pushed", shop=shop.domain, sent=pushed.sent, equal=pushed.equal, stale=pushed.stale)
    _go_on(shop, pushed)
    return pushed


def push_warehouse(warehouse: Warehouse, pushed: Pushed) -> None:
    """One batch of one warehouse, as large as the shop's points allow for; what happened is added to `pushed`.

    A work of its own: it has the points for all its calls before it reads. Raises as `push`, and Permanent.
    """
    planned = push_cost.fitting_plan(warehouse)
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
    pushed.sent += len(outcome.done)
    pushed.activated += activated
    pushed.stale += len(outcome.stale)
    pushed.refused += len(outcome.refused)
    changed = len(outcome.done) + activated + len(outcome.stale) + len(outcome.refused)
    pushed.equal += len(planned.targets) - changed
    if throttled:
        raise throttled


def record(
    warehouse: Warehouse, planned: Plan, decision: Decision, readings: dict[int, Reading], outcome: Outcome
) -> None:
    """Clear what Shopify knows now, unless it was marked again meanwhile; alert what it refuses."""
    silent = outcome.refused.keys() | {item for item, reading in readings.items() if not reading.tracked}
    told = {i for p in planned.targets if p.inventory_item not in silent for i, _ in p.components}
    later = {i for p in planned.targets if p.inventory_item in outcome.stale for i, _ in p.components}
    done = [stock for stock in planned.stocks if stock.item_code in planned.due - later]
    rows = [
        (s.level_id, decision.told[s.level_id] if s.item_code in told else None, s.marked_at) for s in done
    ]
    with transaction.atomic():
        if rows:
            locking.lock_ids([stock.level_id for stock in done])
            with connection.cursor() as cursor:
                cursor.execute(_RECORD, [list(column) for column in zip(*rows, strict=True)])
        _report(warehouse, planned.targets, outcome)


def _activate(
    warehouse: Warehouse, changes: Sequence[Change], outcome: Outcome
) -> tuple[int, Throttled | None]:
    """Stock items at the location; a refusal is noted in the outcome, and what has to wait is stale.

    Returns how many it took, and what stopped it: what was done before is to be recorded first.
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


def _go_on(shop: Shop, pushed: Pushed) -> None:
    """Enqueue the rest, if there is any that another run could do."""
    rest = push_due.due_levels().filter(warehouse__shop=shop).exclude(warehouse__in=pushed.failed)
    if not rest.exists():
        return
    if pushed.stale and not (pushed.sent or pushed.activated or pushed.equal or pushed.refused):
        raise Transient(f"the figures of {pushed.stale} items at {shop.domain} moved while they were set")
    effects.enqueue_push(shop.pk, lane=shop.lane, delay=effects.PUSH_DELAY if pushed.stale else NO_DELAY)


def _report(warehouse: Warehouse, targets: Iterable[Product], outcome: Outcome) -> None:
    well = [_subject(product) for product in targets if product.inventory_item not in outcome.refused]
    close_alerts(REFUSED, subjects=[f"warehouse:{warehouse.pk}", *well])
    for product in targets:
        if (words := outcome.refused.get(product.inventory_item)) is not None:
            raise_alert(
                REFUSED,
                subject=_subject(product),
                shop=warehouse.shop.domain,
                title=f"Shopify refuses the stock of {product.label} at {warehouse}",
                meaning=f"Shopify goes on selling by an old figure. It says: {words}",
                action="Correct the SKU mapping, or the product in Shopify. It is tried again when the mapping is "
                "saved or the item's stock changes.",
            )


def _subject(product: Product) -> str:
    return f"mapping:{product.mapping_id}"


def _report_warehouse(warehouse: Warehouse, words: str) -> None:
    logger.warning("stock_push_refused", warehouse=warehouse.pk, error=words)
    with transaction.atomic():
        raise_alert(
            REFUSED,
            subject=f"warehouse:{warehouse.pk}",
            shop=warehouse.shop.domain,
            title=f"Shopify refuses the stock of {warehouse}",
            meaning=f"Shopify goes on selling by old figures there. It says: {words}",
            action="Check the warehouse's Shopify location and the app's permissions (read and write inventory, read "
            "locations). It is tried again within a quarter of an hour.",
        )
