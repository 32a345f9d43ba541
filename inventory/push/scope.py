"""What all of a warehouse's figures at Shopify depend on: its location there, its shelf, what its figures mean.

When that changes, no event tells of a single level: all of them are looked at anew, once.
"""

from __future__ import annotations

from django.db import transaction

from inventory.models import StockLevel, Told
from inventory.push import push_due
from inventory.stock import effects, locking, reconcile
from wms.models import Warehouse


def check(warehouse: Warehouse) -> int:
    """Make all levels of a warehouse due if what they depend on is not as it was; returns how many.

    A warehouse that was added is read from its WMS at once, and one that was switched on gets what is due. Safe to
    repeat. Transactions of its own: call it outside any other.
    """
    if not (warehouse.is_active and warehouse.shop.is_active):
        return 0
    scope = scope_of(warehouse)
    told = Told.objects.filter(warehouse=warehouse).first()
    marked = _mark_all(warehouse, scope) if told is None or told.scope != scope else 0
    _read_if_unknown(warehouse)
    if push_due.due_levels().filter(warehouse=warehouse).exists():
        effects.enqueue_push(warehouse.shop_id, lane=warehouse.shop.lane)
    return marked


def scope_of(warehouse: Warehouse) -> str:
    """Two that are equal need no push."""
    account = warehouse.connection
    parts = [warehouse.shopify_location_id, account.pk, warehouse.wms_warehouse_code, account.stock_basis]
    return "/".join(map(str, parts))[:300]


@transaction.atomic
def _mark_all(warehouse: Warehouse, scope: str) -> int:
    """One transaction: what was not marked is not taken for told."""
    known = StockLevel.objects.filter(warehouse=warehouse, observed_at__isnull=False)
    levels = locking.lock_ids(list(known.values_list("pk", flat=True)))
    effects.ask_for_push(levels)
    Told.objects.update_or_create(warehouse=warehouse, defaults={"scope": scope})
    return len(levels)


def _read_if_unknown(warehouse: Warehouse) -> None:
    if (
        warehouse.connection.is_active
        and not StockLevel.objects.filter(warehouse=warehouse, observed_at__isnull=False).exists()
    ):
        reconcile.request(warehouse.connection, full=True)
