"""The scope of a warehouse: the settings on which all its quantities at Shopify depend.

These are its Shopify location, its WMS account and warehouse code, and the stock basis. If one of them changes, no
stock event follows, so all levels are marked for a push once.
"""

from __future__ import annotations

from django.db import transaction

from inventory import jobs
from inventory.models import StockLevel, Told
from inventory.push import push_due
from inventory.stock import effects, locking
from wms.models import Warehouse


def check(warehouse: Warehouse) -> int:
    """Mark all levels of a warehouse for a push if its scope changed; return how many.

    The stock of a new warehouse is read from its WMS at once, and a warehouse that was switched on is pushed. It is
    safe to repeat. It opens transactions of its own, so call it outside any other.
    """
    if not (warehouse.is_active and warehouse.shop.is_active):
        return 0
    scope = scope_of(warehouse)
    last = Told.objects.filter(warehouse=warehouse).first()
    marked = _mark_all(warehouse, scope) if last is None or last.scope != scope else 0
    _read_if_unknown(warehouse)
    if push_due.due_levels().filter(warehouse=warehouse).exists():
        jobs.push(warehouse.shop.id, lane=warehouse.shop.lane)
    return marked


def scope_of(warehouse: Warehouse) -> str:
    """Return the scope as text, to be compared with the one of the last push of all levels."""
    account = warehouse.connection
    parts = [warehouse.shopify_location_id, account.pk, warehouse.wms_warehouse_code, account.stock_basis]
    return "/".join(map(str, parts))[:300]


@transaction.atomic
def _mark_all(warehouse: Warehouse, scope: str) -> int:
    """Mark all known levels and store the scope, in one transaction, so that no level is left unmarked."""
    known = StockLevel.objects.filter(warehouse=warehouse, observed_at__isnull=False)
    levels = locking.lock_ids(list(known.values_list("pk", flat=True)))
    effects.mark_for_push(levels)
    Told.objects.update_or_create(warehouse=warehouse, defaults={"scope": scope})
    return len(levels)


def _read_if_unknown(warehouse: Warehouse) -> None:
    """Request a full reading of the WMS if the warehouse has no observed level yet."""
    if (
        warehouse.connection.is_active
        and not StockLevel.objects.filter(warehouse=warehouse, observed_at__isnull=False).exists()
    ):
        jobs.reconcile(warehouse.connection, full=True)
