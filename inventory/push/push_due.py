"""Levels that are marked for a push, and all data that the push needs. It calls no other system."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import F, OuterRef, QuerySet, Subquery

from inventory import jobs
from inventory.models import StockLevel
from inventory.push.push_plan import Product, Stock
from inventory.stock import effects, locking
from shops.ids import InventoryItemId, VariantId
from shops.models import Shop
from skumap.mappings.resolve import mappings_for_items, mappings_sharing
from skumap.models import SkuMapping
from wms.models import Warehouse

COMPARED_AT_ONCE = 1000
PLAN_SIZE = 250
"""The most levels of one plan: as many as one call may set."""

_STOCKS = """
SELECT level.id, level.item_code, level.available, level.on_hand, level.push_marked_at,
       COALESCE(sum(reservation.quantity) FILTER (WHERE reservation.state = 'counted'), 0),
       COALESCE(sum(reservation.quantity)
                FILTER (WHERE reservation.state = 'held' AND reservation.shipped_at IS NULL), 0),
       COALESCE(sum(reservation.quantity) FILTER (WHERE reservation.shipped_at IS NOT NULL), 0),
       (SELECT COALESCE(sum(shared.reserved), 0)
        FROM inventory_cache AS shared JOIN warehouse_locations AS other ON other.id = shared.warehouse_id
        WHERE other.connection_id = %(connection)s AND other.wms_warehouse_code = %(code)s
          AND other.id <> %(warehouse)s AND shared.item_code = level.item_code),
       (SELECT COALESCE(sum(committed.quantity), 0) FROM inventory_commitment AS committed
        WHERE committed.warehouse_id = level.warehouse_id AND committed.item_code = level.item_code)
FROM inventory_cache AS level LEFT JOIN inventory_reservation AS reservation
  ON reservation.level_id = level.id
WHERE level.warehouse_id = %(warehouse)s AND level.item_code = ANY(%(items)s)
GROUP BY level.id ORDER BY level.id
"""

# Levels whose mapping was made or changed after they were last marked: no stock event marks them.
_REMAPPED = """
SELECT DISTINCT level.id
FROM inventory_cache AS level
JOIN wms_sku_map AS mapping
  ON mapping.warehouse_id = level.warehouse_id AND mapping.wms_item_code = level.item_code
WHERE mapping.is_active AND level.observed_at IS NOT NULL
  AND (level.push_marked_at IS NULL OR mapping.updated_at > level.push_marked_at)
"""


@dataclass(frozen=True)
class Plan:
    """The levels that are due at one warehouse, and all data that the push needs."""

    due: frozenset[str]  # item codes
    is_full: bool = False  # more levels may be due
    targets: tuple[Product, ...] = ()
    sharing: tuple[Product, ...] = ()
    stocks: tuple[Stock, ...] = ()

    @property
    def inventory_items(self) -> set[InventoryItemId]:
        """The inventory items that must be read from Shopify."""
        return {product.inventory_item for product in (*self.targets, *self.sharing)}


def due_levels() -> QuerySet[StockLevel]:
    """Select the levels that a push takes: marked ones at active warehouses of active shops."""
    return StockLevel.objects.filter(
        push_due_since__isnull=False, warehouse__is_active=True, warehouse__shop__is_active=True
    )


def warehouses_with_due_levels(shop: Shop) -> list[Warehouse]:
    """Return the shop's warehouses with due levels, the one whose change waits longest first. One query.

    So if a run ends early, for lack of time or points, no change waits behind another warehouse's comparisons.
    """
    due = due_levels().filter(warehouse__shop=shop)
    changed = due.filter(warehouse=OuterRef("pk"), push_compares=False).order_by("push_due_since")
    warehouses = Warehouse.objects.filter(pk__in=due.values("warehouse")).select_related("shop", "connection")
    ranked = warehouses.annotate(changed_since=Subquery(changed.values("push_due_since")[:1]))
    return list(ranked.order_by(F("changed_since").asc(nulls_last=True), "pk"))


def plan(warehouse: Warehouse, *, most: int = PLAN_SIZE) -> Plan:
    """Return up to `most` due levels of a warehouse, with all data that the push needs. Always four queries.

    Levels that changed come before those that are only compared; within both the longest due come first.
    """
    due = StockLevel.objects.filter(warehouse=warehouse, push_due_since__isnull=False)
    items = frozenset(
        due.order_by("push_compares", "push_due_since", "pk").values_list("item_code", flat=True)[:most]
    )
    variants = {row.shopify_variant_id for row in mappings_for_items(warehouse.pk, items)}
    sharing = mappings_sharing(warehouse.pk, variants)
    targets = _products((row for row in sharing if row.wms_item_code in items), _parts(sharing))
    return Plan(
        due=items,
        is_full=len(items) == most,
        targets=targets,
        sharing=_sharing(sharing),
        stocks=_stocks(warehouse, items.union(row.wms_item_code for row in sharing)),
    )


def _parts(rows: Iterable[SkuMapping]) -> dict[VariantId, tuple[tuple[str, int], ...]]:
    """The items of each variant with their quantities, by item code."""
    found: dict[VariantId, list[tuple[str, int]]] = {}
    for row in sorted(rows, key=lambda row: row.wms_item_code):
        found.setdefault(row.shopify_variant_id, []).append((row.wms_item_code, row.quantity))
    return {variant: tuple(parts) for variant, parts in found.items()}


def catch_up() -> int:
    """Make up for lost events: mark levels whose mapping is newer than their mark, and enqueue the push of all shops
    with due levels. Return the number of these shops.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_REMAPPED)
            remapped = [level_id for (level_id,) in cursor.fetchall()]
        effects.mark_for_push(locking.lock_ids(remapped))
    shops = Shop.objects.filter(pk__in=due_levels().values("warehouse__shop"))
    for shop in shops:
        jobs.push(shop.id, lane=shop.lane)
    return len(shops)


def compare_all() -> int:
    """Mark every level that was ever pushed for a comparison, so that wrong quantities at Shopify are corrected.

    It marks COMPARED_AT_ONCE levels at a time, so that no order waits long for a lock. Returns the number of levels.
    """
    pushed = StockLevel.objects.filter(
        pushed_at__isnull=False, warehouse__is_active=True, warehouse__shop__is_active=True
    ).order_by("pk")
    marked = last = 0
    while page := list(pushed.filter(pk__gt=last).values_list("pk", flat=True)[:COMPARED_AT_ONCE]):
        with transaction.atomic():
            effects.mark_for_comparison(locking.lock_ids(page))
        marked, last = marked + len(page), page[-1]
    return marked


def _products(
    rows: Iterable[SkuMapping], parts_of: Mapping[VariantId, tuple[tuple[str, int], ...]]
) -> tuple[Product, ...]:
    """Return one product per inventory item, with all its components at the warehouse."""
    found: dict[int, Product] = {}
    for row in rows:
        product = Product(
            row.shopify_inventory_item_id,
            parts_of[row.shopify_variant_id],
            mapping_id=row.pk,
            label=row.shopify_sku or f"variant {row.shopify_variant_id}",
        )
        found.setdefault(row.shopify_inventory_item_id, product)
    return tuple(found.values())


def _sharing(rows: Iterable[SkuMapping]) -> tuple[Product, ...]:
    """Return every product that uses one of the items, with those of its components that the rows name."""
    by_variant: dict[VariantId, list[SkuMapping]] = {}
    for row in rows:
        by_variant.setdefault(row.shopify_variant_id, []).append(row)
    parts_of = {
        v: tuple((row.wms_item_code, row.quantity) for row in found) for v, found in by_variant.items()
    }
    return _products((found[0] for found in by_variant.values()), parts_of)


def _stocks(warehouse: Warehouse, items: Collection[str]) -> tuple[Stock, ...]:
    arguments: dict[str, Any] = {
        "connection": warehouse.connection_id,
        "code": warehouse.wms_warehouse_code,
        "warehouse": warehouse.pk,
        "items": list(items),
    }
    with connection.cursor() as cursor:
        cursor.execute(_STOCKS, arguments)
        rows = cursor.fetchall()
    basis = warehouse.connection.stock_basis
    return tuple(
        Stock(
            level_id=level_id,
            item_code=item,
            quantity=locking.quantity_by_basis(basis, available=available, on_hand=on_hand),
            netted=int(netted),
            pending=int(pending),
            in_transit_out=int(in_transit_out),
            reserved_by_others=int(others),
            commitments=int(commitments),
            marked_at=marked_at,
        )
        for level_id, item, available, on_hand, marked_at, netted, pending, in_transit_out, others, commitments in rows
    )
