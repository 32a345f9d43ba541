"""Whether a warehouse accepts work, and what follows when a warehouse or a connection changed."""

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
    """Wake jobs that wait for this warehouse or for any warehouse of its shop; return how many became due.

    Call it last in the transaction that saved the warehouse, because waking takes locks that come last. A job then
    looks for orders at its location that were not ours before.
    """
    jobs.warehouses_changed(warehouse.shop)
    jobs.stock_scope_changed(warehouse.id)
    return wake(*_keys([(warehouse.id, warehouse.shop.id)]))


def connection_changed(connection: Connection) -> int:
    """Do the same for all warehouses of a connection, and for work that its refused credentials stopped."""
    access.credentials_changed(connection)
    found = Warehouse.objects.filter(connection=connection).values_list("pk", "shop_id")
    places = [(WarehousePk(pk), ShopPk(shop_pk)) for pk, shop_pk in found]
    for pk, _ in places:
        jobs.stock_scope_changed(pk)
    return wake(*_keys(places), connection_key(connection.id))


def require_accepting(warehouse: Warehouse, *, also_wake_on: Sequence[ParkKey] = ()) -> None:
    """Nothing new goes to a warehouse that is paused or switched off, or whose connection is.

    Raises Blocked on the warehouse's park key, and on `also_wake_on` if something else can end the wait too.
    """
    if not _is_closed(warehouse):
        return
    raise Blocked(
        f"{warehouse.place} takes no orders: it is paused, or it or its connection is switched off",
        on=[warehouse_key(warehouse.id), *also_wake_on],
        recheck=lambda: _is_closed(Warehouse.objects.select_related("connection").get(pk=warehouse.pk)),
    )


def _is_closed(warehouse: Warehouse) -> bool:
    return warehouse.paused or not (warehouse.is_active and warehouse.connection.is_active)


def find(*, shop_id: int, code: str) -> list[Warehouse]:
    """Find a shop's warehouses by `CODE`, or by `connection/CODE` if two connections use the same code."""
    slug, _, bare = code.partition("/")  # no slug has a slash; a code of a WMS may
    named = Q(wms_warehouse_code=bare, connection__slug=slug) if slug else Q(pk__in=[])
    return list(
        Warehouse.objects.filter(named | Q(wms_warehouse_code=code), shop_id=shop_id)
        .select_related("shop", "connection")
        .order_by("pk")
    )


def _keys(warehouses: Iterable[tuple[WarehousePk, ShopPk]]) -> list[ParkKey]:
    """The keys of warehouses and of their shops, each once."""
    return sorted({key for pk, shop_pk in warehouses for key in (warehouse_key(pk), shop_key(shop_pk))})
