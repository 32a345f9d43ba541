"""Calls that change stock at Shopify: stored with an idempotency key, then sent, then closed with Shopify's answer.

Admin API 2026-10: inventorySetQuantities and inventoryActivate need `@idempotent`. The same key with the same variables
returns the first result again. One bad element makes Shopify refuse the whole call.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from inventory.models import PushBatch
from inventory.push.push_plan import Change
from ops.errors import Permanent, Throttled, Transient
from ops.models import Priority
from ops.queue.retention import BATCH, Cleanup, run_cleanups
from shops.api import client
from shops.api.gids import gid
from shops.api.shapes import Payload, UserError, parse, words
from shops.ids import InventoryItemId
from shops.models import Shop
from wms.models import Connection, Warehouse

logger = structlog.get_logger(__name__)

BATCH_SIZE = 250
"""The most elements of one call (Admin API: MAX_INPUT_SIZE_EXCEEDED above)."""

ROUNDS = 5
"""The most calls for one batch, each without the elements that were refused before."""

KEEP = timedelta(days=7)

# A shop has one open batch, and each key is used once.
_OPEN = """
INSERT INTO inventory_pushbatch (shop_id, key, operation, variables, state, errors, created_at)
VALUES (%s, %s, %s, %s, 'sending', '[]', now()) ON CONFLICT DO NOTHING RETURNING id
"""

STALE = frozenset(
    {
        "CHANGE_FROM_QUANTITY_STALE",
        "IDEMPOTENCY_KEY_PARAMETER_MISMATCH",
        "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED",
    }
)
"""Errors after which the quantity is read and computed again, and sent under a new key."""

CONCURRENT = "IDEMPOTENCY_CONCURRENT_REQUEST"
NOT_STOCKED = "ITEM_NOT_STOCKED_AT_LOCATION"  # up to 2026-07
BAD_LOCATION = "INVALID_LOCATION"

_ROOT_FIELD = {
    PushBatch.Operation.SET: "inventorySetQuantities",
    PushBatch.Operation.ACTIVATE: "inventoryActivate",
}


@dataclass
class Outcome:
    """The results of changes, by inventory item id."""

    done: set[InventoryItemId] = field(default_factory=set)
    stale: set[InventoryItemId] = field(
        default_factory=set
    )  # the quantity moved at Shopify, or the item waits for another run
    unstocked: list[Change] = field(default_factory=list)  # must be activated at the location first
    refused: dict[InventoryItemId, str] = field(default_factory=dict)  # with Shopify's message


def set_quantities(warehouse: Warehouse, changes: Sequence[Change]) -> Outcome:
    """Set up to any number of quantities at the warehouse's location, in calls of at most BATCH_SIZE.

    Raises Throttled, Transient, UnknownOutcome (the batch stays open and is sent again by `resume`), Permanent.
    """
    outcome = Outcome()
    for start in range(0, len(changes), BATCH_SIZE):
        _set_one_batch(warehouse, list(changes[start : start + BATCH_SIZE]), outcome)
    return outcome


def activate(warehouse: Warehouse, change: Change) -> str | None:
    """Stock an item at the warehouse's location with a quantity; return Shopify's message if it refuses.

    Raises as `set_quantities`.
    """
    name = "onHand" if _is_on_hand(warehouse) else "available"
    variables = {
        "item": gid("InventoryItem", change.product.inventory_item),
        "location": gid("Location", warehouse.shopify_location_id),
        name: change.quantity,
    }
    errors = _deliver(warehouse.shop, _open(warehouse.shop, PushBatch.Operation.ACTIVATE, variables))
    return words(errors) or None


def resume(shop: Shop) -> None:
    """Send the shop's call whose outcome is unknown again, with the same key and variables.

    Its result is not used, because the next push reads Shopify again. Raises as `set_quantities`, but a refusal is only
    logged.
    """
    batch = PushBatch.objects.filter(shop=shop, state=PushBatch.State.SENDING).first()
    if batch is None:
        return
    try:
        _deliver(shop, batch)
    except Permanent as error:
        logger.warning("stock_push_resume_refused", shop=shop.domain, key=batch.key, error=str(error))


def prune() -> int:
    """Delete batches that were answered longer than KEEP ago; return their number."""
    return run_cleanups([Cleanup("push_batches_deleted", _forget_some)])["push_batches_deleted"]


def _forget_some() -> int:
    old = PushBatch.objects.filter(finished_at__lt=timezone.now() - KEEP).order_by("finished_at")
    ids = list(old.values_list("pk", flat=True)[:BATCH])
    return PushBatch.objects.filter(pk__in=ids).delete()[0]


def _set_one_batch(warehouse: Warehouse, changes: list[Change], outcome: Outcome) -> None:
    """Call Shopify until it accepts, each time without the refused elements; what is left after ROUNDS is stale."""
    for _ in range(ROUNDS):
        variables = {"input": _input(warehouse, changes)}
        errors = _deliver(warehouse.shop, _open(warehouse.shop, PushBatch.Operation.SET, variables))
        if not errors:
            outcome.done |= {change.product.inventory_item for change in changes}
            return
        refused = _by_element(errors, len(changes))
        if not refused:
            _judge_whole(warehouse, errors)
            break
        for index, error in refused.items():
            _judge(changes[index], error, outcome)
        changes = [change for index, change in enumerate(changes) if index not in refused]
        if not changes:
            return
    outcome.stale |= {change.product.inventory_item for change in changes}


def _input(warehouse: Warehouse, changes: Sequence[Change]) -> dict[str, Any]:
    """Build InventorySetQuantitiesInput; every element needs `changeFromQuantity` (2026-04 and later)."""
    location = gid("Location", warehouse.shopify_location_id)
    return {
        "name": "on_hand" if _is_on_hand(warehouse) else "available",
        "reason": "correction",
        "quantities": [
            {
                "inventoryItemId": gid("InventoryItem", change.product.inventory_item),
                "locationId": location,
                "quantity": change.quantity,
                "changeFromQuantity": change.change_from,
            }
            for change in changes
        ],
    }


def _is_on_hand(warehouse: Warehouse) -> bool:
    return warehouse.connection.stock_basis == Connection.StockBasis.ON_HAND


def _by_element(errors: Collection[UserError], count: int) -> dict[int, UserError]:
    """Return the first error of each refused element, whose field is like ["input", "quantities", "3", "quantity"]."""
    found: dict[int, UserError] = {}
    positions = {str(index): index for index in range(count)}
    for error in errors:
        path = error.field or ()
        index = path[2] if len(path) > 2 and path[1] == "quantities" else ""
        if index in positions:
            found.setdefault(positions[index], error)
    return found


def _judge(change: Change, error: UserError, outcome: Outcome) -> None:
    """Note in the outcome what an element's error means. Raises Permanent if Shopify refuses the location."""
    code = error.code
    if code in STALE:
        outcome.stale.add(change.product.inventory_item)
    elif code == NOT_STOCKED:
        outcome.unstocked.append(change)
    elif code == BAD_LOCATION:
        raise Permanent(f"Shopify refuses the location: {error.message}")
    else:
        outcome.refused[change.product.inventory_item] = f"{error.message} ({code})"


def _judge_whole(warehouse: Warehouse, errors: Collection[UserError]) -> None:
    """Raise Permanent unless all errors that name no element mean that the quantities moved at Shopify."""
    if not all(error.code in STALE for error in errors):
        words = "; ".join(f"{error.code} {error.message}" for error in errors)
        raise Permanent(f"inventorySetQuantities at {warehouse}: {words}")


def _open(shop: Shop, operation: PushBatch.Operation, variables: dict[str, Any]) -> PushBatch:
    """Store a call under a new key before it is sent. Raises Transient if another call of the shop is open."""
    key = str(uuid.uuid4())
    if operation is PushBatch.Operation.SET:
        variables = {
            "input": {**variables["input"], "referenceDocumentUri": f"gid://wmsbridge/StockPush/{key}"}
        }
    batch = PushBatch(shop=shop, key=key, operation=operation, variables={**variables, "key": key})
    with connection.cursor() as cursor:
        cursor.execute(_OPEN, [shop.pk, key, operation, json.dumps(batch.variables)])
        opened = cursor.fetchone()
    if opened is None:
        raise Transient(f"another stock push of {shop.domain} is under way")
    (batch.pk,) = opened
    return batch


def _deliver(shop: Shop, batch: PushBatch) -> Sequence[UserError]:
    """Send a batch, close it with Shopify's userErrors, and return them."""
    try:
        data = client.execute(shop, batch.operation, batch.variables, priority=Priority.HIGH).data
    except Permanent as error:
        _close(batch, [{"message": str(error)}])
        raise
    errors = parse(
        Payload, data.get(_ROOT_FIELD[PushBatch.Operation(batch.operation)]), changes=True
    ).user_errors
    if any(error.code == CONCURRENT for error in errors):
        raise Throttled(f"{batch.operation} of {shop.domain} is still under way", wait=timedelta(seconds=2))
    _close(batch, [error.model_dump() for error in errors])
    return errors


def _close(batch: PushBatch, errors: list[dict[str, Any]]) -> None:
    open_batch = PushBatch.objects.filter(pk=batch.pk, state=PushBatch.State.SENDING)
    open_batch.update(state=PushBatch.State.DONE, finished_at=Now(), errors=errors)
