"""What Shopify does not know yet: marked levels, and all that must be known to tell it. Reads the database only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import F, OuterRef, QuerySet, Subquery

from inventory.models import StockLevel
from inventory.push.push_plan import Product, Stock
from inventory.stock import effects, locking
from shops.models import Shop
from skumap.models import SkuMapping
from skumap.resolve import mappings_for_items, resolve
from wms.models import Warehouse

COMPARED_AT_ONCE = 1000
PLAN_SIZE = 250
"""Levels of one plan: as many as one call may set."""

_STOCKS = """
SELECT level.id, level.item_code, level.available, level.on_hand, level.push_marked_at,
       COALESCE(sum(promise.quantity) FILTER (WHERE promise.state = 'counted'), 0),
       COALESCE(sum(promise.quantity) FILTER (WHERE promise.state = 'held' AND promise.shipped_at IS NULL), 0),
       COALESCE(sum(promise.quantity) FILTER (WHERE promise.shipped_at IS NOT NULL), 0),
       (SELECT COALESCE(sum(shared.reserved), 0)
        FROM inventory_cache AS shared JOIN warehouse_locations AS place ON place.id = shared.warehouse_id
        WHERE place.connection_id = %(connection)s AND place.wms_warehouse_code = %(code)s
          AND place.id <> %(warehouse)s AND shared.item_code = level.item_code),
       (SELECT COALESCE(sum(known.quantity), 0) FROM inventory_commitment AS known
        WHERE known.warehouse_id = level.warehouse_id AND known.item_code = level.item_code)
FROM inventory_cache AS level LEFT JOIN inventory_reservation AS promise ON promise.level_id = level.id
WHERE level.warehouse_id = %(warehouse)s AND level.item_code = ANY(%(items)s)
GROUP BY level.id ORDER BY level.id
"""

# A mapping that came, or changed, after its level was last marked: no stock event told of it.
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
    """What is due at one warehouse, and all that must be known to tell Shopify."""

    due: frozenset[str]  # item codes
    targets: tuple[Product, ...] = ()
    sharing: tuple[Product, ...] = ()
    stocks: tuple[Stock, ...] = ()

    @property
    def inventory_items(self) -> set[int]:
        """What has to be read at Shopify."""
        return {product.inventory_item for product in (*self.targets, *self.sharing)}


def due_levels() -> QuerySet[StockLevel]:
    """Levels that a push would take: marked, at a warehouse in use of a shop in use."""
    return StockLevel.objects.filter(
        push_due_since__isnull=False, warehouse__is_active=True, warehouse__shop__is_active=True
    )


def warehouses_with_due_levels(shop: Shop) -> list[Warehouse]:
    """The shop's warehouses that have something to tell, the one with the longest untold change first. One query.

    So where a run ends early, out of time or points, no change waits behind another warehouse's comparisons.
    """
    due = due_levels().filter(warehouse__shop=shop)
    changed = due.filter(warehouse=OuterRef("pk"), push_compares=False).order_by("push_due_since")
    warehouses = Warehouse.objects.filter(pk__in=due.values("warehouse")).select_related("shop", "connection")
    ranked = warehouses.annotate(changed_since=Subquery(changed.values("push_due_since")[:1]))
    return list(ranked.order_by(F("changed_since").asc(nulls_last=True), "pk"))


def plan(warehouse: Warehouse, *, most: int = PLAN_SIZE) -> Plan:
    """Up to `most` levels that are due at a warehouse, what changed before what is only compared, longest due first.

    Five queries, however much it is."""
    due = StockLevel.objects.filter(warehouse=warehouse, push_due_since__isnull=False)
    items = frozenset(
        due.order_by("push_compares", "push_due_since", "pk").values_list("item_code", flat=True)[:most]
    )
    rows = mappings_for_items(warehouse.pk, items)
    variants = {row.shopify_variant_id for row in rows}
    resolution = resolve(warehouse.shop_id, variants=variants, warehouses=[warehouse.pk])
    components = {v: resolution.components(v, warehouse.pk) for v in variants}
    every_item = items | {part.wms_item_code for parts in components.values() for part in parts}
    parts_of = {v: tuple((p.wms_item_code, p.quantity) for p in parts) for v, parts in components.items()}
    return Plan(
        due=items,
        targets=_products(rows, parts_of),
        sharing=_sharing(mappings_for_items(warehouse.pk, every_item)),
        stocks=_stocks(warehouse, every_item),
    )


def catch_up() -> int:
    """What no event brought: levels whose mapping is younger than their mark become due, and every shop with due levels
    gets its push job again. Returns the number of such shops.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_REMAPPED)
            remapped = [level_id for (level_id,) in cursor.fetchall()]
        effects.ask_for_push(locking.lock_ids(remapped))
    shops = Shop.objects.filter(pk__in=due_levels().values("warehouse__shop"))
    for shop in shops:
        effects.enqueue_push(shop.pk, lane=shop.lane)
    return len(shops)


def compare_all() -> int:
    """Make every level due that Shopify was ever told: whatever went astray at its end is found and set right.

    COMPARED_AT_ONCE levels at a time, so that no order waits long for the lock on one. Returns the number of levels.
    """
    told = StockLevel.objects.filter(
        pushed_at__isnull=False, warehouse__is_active=True, warehouse__shop__is_active=True
    ).order_by("pk")
    marked = last = 0
    while page := list(told.filter(pk__gt=last).values_list("pk", flat=True)[:COMPARED_AT_ONCE]):
        with transaction.atomic():
            effects.ask_for_comparison(locking.lock_ids(page))
        marked, last = marked + len(page), page[-1]
    return marked


def _products(
    rows: Iterable[SkuMapping], parts_of: Mapping[int, tuple[tuple[str, int], ...]]
) -> tuple[Product, ...]:
    """One product per inventory item, with all its components at the warehouse."""
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
    """Every product that uses one of the items, with the components asked about."""
    by_variant: dict[int, list[SkuMapping]] = {}
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
            figure=locking.figure(basis, available=available, on_hand=on_hand),
            counted=int(counted),
            held=int(held),
            gone=int(gone),
            elsewhere=int(elsewhere),
            known=int(known),
            marked_at=marked_at,
        )
        for level_id, item, available, on_hand, marked_at, counted, held, gone, elsewhere, known in rows
    )
