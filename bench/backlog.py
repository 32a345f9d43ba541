"""Creates thousands of due jobs for one shop, as a large import, a sale or a long outage leaves them.

Each job is real work. Models are looked up by name, because they can be imported only once Django is set up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

CHUNK = 2_000
KEY = "bench:"
POSTPONED = timedelta(days=1)


def make(name: str, shop_domain: str, *, jobs: int, concurrency: int | None = None) -> str:
    """Put this many jobs into a lane of the shop, due in the far future. Returns the name of the lane.

    `concurrency` becomes the concurrency of the lane; None leaves it as it is.
    """
    shop = apps.get_model("shops", "Shop").objects.get(domain=shop_domain)
    example, payloads = BACKLOGS[name](shop, jobs)

    def due_later(number: int) -> dict[str, Any]:
        fresh = {"state": "ready", "attempts": 0, "started_at": None, "finished_at": None}
        return {"key": f"{KEY}{name}:{number}", "payload": payloads[number], "run_at": far_future, **fresh}

    far_future = timezone.now() + POSTPONED
    _inserted(_like(example, jobs, due_later))
    if concurrency is not None:
        apps.get_model("ops", "Lane").objects.filter(name=example.lane_id).update(concurrency=concurrency)
    return str(example.lane_id)


def make_due() -> None:
    """Make all jobs due now that are not done."""
    _set_due(Now())


def postpone() -> int:
    """Make no job due for now. Returns how many jobs are not done."""
    return _set_due(Now() + POSTPONED)


def _set_due(run_at: Any) -> int:
    count = int(_waiting().update(run_at=run_at))
    with connection.cursor() as cursor:
        # Only the measurement makes so many dead rows at once.
        cursor.execute("VACUUM (ANALYZE) ops_job")
    return count


def _waiting() -> Any:
    return apps.get_model("ops", "Job").objects.filter(key__startswith=KEY, state="ready")


def done() -> int:
    """Count the jobs that are done."""
    jobs = apps.get_model("ops", "Job").objects
    return int(jobs.filter(key__startswith=KEY, state="done").count())


def clear() -> None:
    """Delete the jobs that wait and those that are done."""
    _waiting().delete()
    apps.get_model("ops", "Job").objects.filter(key__startswith=KEY, state="done").delete()


Backlog = tuple[Any, Sequence[dict[str, Any]]]
"""A finished job that is copied, and the payloads of its copies."""


def _reads(shop: Any, jobs: int) -> Backlog:
    """Jobs in the shop's lane. Each reads an order at Shopify; up to six are read with one call."""
    ids = list(_orders(shop).values_list("shopify_order_id", flat=True))
    payloads = [{"shop": shop.id, "order": ids[number % len(ids)]} for number in range(jobs)]
    return _job(f"read:{shop.id}:{ids[0]}"), payloads


def _routings(shop: Any, jobs: int) -> Backlog:
    """Jobs in the shop's inbound lane. Each locks an order and computes which of its units no warehouse has."""
    ids = list(_orders(shop).values_list("id", flat=True))
    return _job(f"route:{ids[0]}"), [{"order": ids[number % len(ids)]} for number in range(jobs)]


def _submissions(shop: Any, jobs: int) -> Backlog:
    """Jobs in the lane of a WMS that both shops use. Each places an order that the WMS does not have yet."""
    placed = apps.get_model("fulfillment", "WmsOrder").objects.select_related("order__shop", "warehouse")
    south = placed.filter(order__shop=shop, wms_status="accepted", warehouse__connection__slug="south")
    example = south.order_by("id")[0]
    return _job(f"submit:{example.external_id}"), [{"wms_order": row.id} for row in _copies(example, jobs)]


def _job(key: str) -> Any:
    return apps.get_model("ops", "Job").objects.get(key=key)


def _orders(shop: Any) -> Any:
    return apps.get_model("fulfillment", "Order").objects.filter(shop=shop).order_by("id")


def _copies(example: Any, count: int) -> list[Any]:
    """Create this many copies of a routed order that are not sent yet. Returns their WMS orders."""
    last = _orders(example.order.shop).last().shopify_order_id
    lines = {line.pk: line for line in example.order.lines.all()}
    asked = list(example.lines.all())
    orders = _inserted(_like(example.order, count, lambda n: {"shopify_order_id": last + 10**6 + n}))
    new_lines = {
        pk: _inserted(_like(line, count, lambda n: {"order": orders[n]})) for pk, line in lines.items()
    }

    def pending(number: int) -> dict[str, Any]:
        order = orders[number]
        name = f"wms:order:{order.shop.domain}:{order.shopify_order_id}:1"
        fresh = {
            "wms_status": "pending",
            "attempt": 0,
            "outcome": "none",
            "remote_id": "",
            "accepted_at": None,
        }
        return {"order": order, "external_id": name, "attempt_at": None, **fresh}

    rows = _inserted(_like(example, count, pending))
    for line in asked:
        of_order = new_lines[line.order_line_id]
        _inserted(
            _like(line, count, lambda n, of=of_order: {"wms_order": rows[n], "order_line": of[n]})  # type: ignore[misc]
        )
    return rows


def _like(row: Any, count: int, changes: Callable[[int], dict[str, Any]]) -> Iterator[Any]:
    names = [field.name for field in row._meta.concrete_fields if not field.primary_key]
    values = {name: getattr(row, name) for name in names}
    return (type(row)(**{**values, **changes(number)}) for number in range(count))


def _inserted(rows: Iterator[Any]) -> list[Any]:
    made = list(rows)
    return list(type(made[0]).objects.bulk_create(made, batch_size=CHUNK))


BACKLOGS: dict[str, Callable[[Any, int], Backlog]] = {
    "calls": _reads,
    "local": _routings,
    "wms": _submissions,
}
