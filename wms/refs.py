"""References to connections, to their warehouses, and to the subjects of their callbacks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ops import refs
from ops.refs import LaneName, ParkKey, Subject
from wms.ids import ConnectionPk, WarehousePk


class CallbackRef(NamedTuple):
    """The subject of a callback: the WMS's id of an order, of an item, or of the event itself."""

    slug: str
    about: str


def connection_lane(slug: str) -> LaneName:
    """The lane of calls to a WMS."""
    return LaneName(f"wms:{slug}")


def parse_slug(text: str) -> str | None:
    """Return the slug of the connection that a lane or a callback's subject names; None if it names none."""
    parts = refs.parts_of(refs.endpoint_of(text), "wms", 1)
    return parts[0].partition(":")[0] if parts else None


def connection_key(connection_pk: ConnectionPk) -> ParkKey:
    """Return the park key of work that waits for credentials which the WMS accepts."""
    return ParkKey(f"connection:{connection_pk}")


def connection_subject(slug: str) -> Subject:
    """Return the subject of a connection."""
    return Subject(f"connection:{slug}")


def connections_cause(slugs: Iterable[str]) -> str:
    """Several connections, as the cause of an alert."""
    return ",".join(sorted(slugs))


def parse_connections(cause: str) -> list[str]:
    """The slugs of the connections that the cause of an alert names."""
    return [slug for slug in cause.split(",") if slug]


def warehouse_key(warehouse_pk: WarehousePk) -> ParkKey:
    """Return the park key of work that waits for a warehouse to accept orders."""
    return ParkKey(f"warehouse:{warehouse_pk}")


def warehouse_subject(warehouse_pk: WarehousePk) -> Subject:
    """Return the subject of a warehouse."""
    return Subject(f"warehouse:{warehouse_pk}")


def unknown_warehouse_subject(slug: str, code: str) -> Subject:
    """What is about a warehouse that a WMS names and we do not know is filed under."""
    return Subject(f"{slug}/{code}")


def unread_fields_subject(slug: str, fields: str) -> Subject:
    """What is about fields of callbacks that cannot be read is filed under."""
    return Subject(f"{slug}: {fields}")


def callback_subject(slug: str, about: str) -> Subject:
    """Return the subject of a callback about a WMS order (by the WMS's id), an item, or the event itself."""
    return Subject(f"wms:{slug}:{about}")


def parse_callback(subject: str) -> CallbackRef | None:
    """Return what a callback's subject names; None if it is no callback's subject.

    The external id of an order looks like a callback's subject of a connection with the slug "order". If a text can be
    either, ask `fulfillment.refs` first, which tells them apart by their structure.
    """
    parts = refs.parts_of(subject, "wms", 2)
    return CallbackRef(*parts) if parts else None
