"""References to the stock of an item at a warehouse, of a shop, and of a connection."""

from __future__ import annotations

from typing import NamedTuple

from ops.refs import ParkKey, Subject
from wms.ids import WarehousePk


class LateRef(NamedTuple):
    """Stock of a shop that is late at a warehouse of a connection, and in which step."""

    step: str
    domain: str
    slug: str
    code: str


def stock_key(warehouse_pk: WarehousePk, item_code: str) -> ParkKey:
    """Return the park key of orders that wait for free units of an item at a warehouse."""
    return ParkKey(f"stock:{warehouse_pk}:{item_code}")


def late_cause(step: str, domain: str, slug: str, code: str) -> str:
    """Stock of a shop that is late at a warehouse of a connection, and in which step, as the cause of an alert."""
    return f"{step}:{domain}:{slug}/{code}"


def parse_late(cause: str) -> LateRef | None:
    """What stock is late by the cause of an alert; None where the cause is something else."""
    step, *parts = cause.split(":", 2)
    slug, _, code = parts[1].partition("/") if len(parts) == 2 else ("", "", "")
    return LateRef(step, parts[0], slug, code) if slug and code else None


def reconcile_subject(slug: str) -> Subject:
    """Return the subject of reading the stock of a connection."""
    return Subject(f"reconcile:{slug}")
