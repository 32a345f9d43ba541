"""A warehouse or a connection changed: whatever waited for that goes on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db.models import Q

from ops.errors import Blocked
from ops.queue.jobs import wake
from ops.refs import ParkKey
from shops.ids import ShopPk
from shops.refs import shop_key
from wms import jobs
from wms.availability import access
from wms.ids import WarehousePk
from wms.models import Connection, Warehouse
from wms.refs import connection_key, warehouse_key


def changed(warehouse: Warehouse) -> int:
    """Wake what waits for this warehouse, or for any warehouse of its shop; returns how many jobs became due.

    Call it last in the transaction that saved the warehouse: waking takes locks that come last. Orders that lie at its
    location, and were not ours before, are looked for.
    """
    jobs.warehouses_changed(warehouse.shop)
    jobs.stock_scope_changed(warehouse.id)
    return wake(*_keys([(warehouse.id, warehouse.shop.id)]))


def connection_changed(connection: Connection) -> int:
    """The same for all warehouses of a connection, and for what its refused credentials had stopped."""
    access.credentials_changed(connection)
    found = Warehouse.objects.filter(connection=connection).values_list("pk", "shop_id")
    places = [(WarehousePk(pk), ShopPk(shop_pk)) for pk, shop_pk in found]
    for pk, _ in places:
        jobs.stock_scope_changed(pk)
    return wake(*_keys(places), connection_key(connection.id))


def require_open(warehouse: Warehouse, *, or_on: Sequence[ParkKey] = ()) -> None:
    """Nothing new goes to a warehouse that is paused or switched off, or whose connection is.

    Raises Blocked, on the warehouse's key (and on `or_on`, for who may make an end of it otherwise).
    """
    if not _is_shut(warehouse):
        return
    raise Blocked(
        f"{warehouse.place} takes no orders: it is paused, or it or its connection is switched off",
        on=[warehouse_key(warehouse.id), *or_on],
        recheck=lambda: _is_shut(Warehouse.objects.select_related("connection").get(pk=warehouse.pk)),
    )


def _is_shut(warehouse: Warehouse) -> bool:
    return warehouse.paused or not (warehouse.is_active and warehouse.connection.is_active)


def find(*, shop_id: int, code: str) -> list[Warehouse]:
    """Warehouses of a shop that a person means by `CODE`, or by `connection/CODE` where codes clash."""
    slug, _, bare = code.rpartition("/")
    named = Q(wms_warehouse_code=bare, connection__slug=slug) if slug else Q(pk__in=[])
    return list(
        Warehouse.objects.filter(named | Q(wms_warehouse_code=code), shop_id=shop_id)
        .select_related("shop", "connection")
        .order_by("pk")
    )


def _keys(warehouses: Iterable[tuple[WarehousePk, ShopPk]]) -> list[ParkKey]:
    """The keys of warehouses and of their shops, each once."""
    return sorted({key for pk, shop_pk in warehouses for key in (warehouse_key(pk), shop_key(shop_pk))})
