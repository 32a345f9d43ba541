"""Applies a configuration file to shops, connections and warehouses, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model
from pydantic import BaseModel

from ops import secrets
from ops.queue import jobs
from shops import jobs as shop_jobs
from shops.access import installation
from shops.models import Shop
from shops.refs import shop_key
from wms.availability import access, warehouses
from wms.models import Connection, Warehouse
from wmsbridge.configuration.config_file import Complaint, ConfigError, ConfigFile, WarehouseTable

NEEDED = {
    "connections": ("base_url", "token", "callback_secret"),
    "warehouses": ("name", "shopify_location_id"),
}
"""The keys that a new row needs, by table."""


@dataclass
class Outcome:
    """What was done with each row that the file names. Of changed fields it has the names, never the values."""

    created: list[str] = field(default_factory=list)
    updated: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)


def apply_config(file: ConfigFile) -> Outcome:
    """Create the rows that are new, update those that differ, leave all others alone, and wake the work that waited.

    If it raises ConfigError, nothing was changed.
    """
    run = _Run(file)
    with transaction.atomic():
        run.shops()
        run.connections()
        run.warehouses()
        if run.complaints:
            raise ConfigError(run.complaints)
        run.wake()
    return run.outcome


@dataclass
class _Run:
    file: ConfigFile
    outcome: Outcome = field(default_factory=Outcome)
    complaints: list[Complaint] = field(default_factory=list)
    _new_shops: list[Shop] = field(default_factory=list)
    _changed_shops: list[tuple[Shop, frozenset[str]]] = field(default_factory=list)
    _connections: list[Connection] = field(default_factory=list)
    _warehouses: list[Warehouse] = field(default_factory=list)

    def shops(self) -> None:
        """Apply the [[shops]] tables."""
        for index, table in enumerate(self.file.config.shops):
            shop = Shop.objects.filter(domain=table.domain).first()
            has_credentials = table.access_token or (table.client_id and table.client_secret)
            if shop is None and not has_credentials:
                self._complain("shops", index, "needs access_token, or client_id and client_secret")
                continue
            written = shop or Shop()
            changed = self._save("shops", index, written, _named(table))
            if shop is None and changed:
                self._new_shops.append(written)
            elif changed:
                self._changed_shops.append((written, changed))

    def connections(self) -> None:
        """Apply the [[connections]] tables."""
        for index, table in enumerate(self.file.config.connections):
            connection = Connection.objects.filter(slug=table.slug).first()
            values = _named(table)
            if table.capabilities is not None:
                values["capabilities"] = sorted(capability.value for capability in table.capabilities)
            written = connection or Connection()
            if self._save("connections", index, written, values):
                self._connections.append(written)

    def warehouses(self) -> None:
        """Apply the [[warehouses]] tables. Their shop and connection must be in the file or in the database."""
        for index, table in enumerate(self.file.config.warehouses):
            shop = Shop.objects.filter(domain=table.shop).first()
            connection = Connection.objects.filter(slug=table.connection).first()
            if shop is None:
                self._complain_of_shop(index, table)
                continue
            if connection is None:
                self._complain_of_connection(index, table)
                continue
            known = Warehouse.objects.filter(
                shop=shop, connection=connection, wms_warehouse_code=table.wms_warehouse_code
            ).first()
            warehouse = known or Warehouse(shop=shop, connection=connection)
            if self._save("warehouses", index, warehouse, _named(table, without=("shop", "connection"))):
                self._warehouses.append(warehouse)

    def wake(self) -> None:
        """Wake the work that waited. This comes last, because it takes the locks that must be taken last."""
        for shop in self._new_shops:
            shop_jobs.check_subscriptions(shop)
        for shop, changed in self._changed_shops:
            if "is_active" in changed and shop.is_active:
                installation.taken_up(shop)
            elif shop.is_active:
                shop_jobs.check_subscriptions(shop)
            installation.settings_changed(shop, changed)
            installation.secrets_changed(shop)
            if changed.intersection(installation.CREDENTIALS):
                installation.credentials_changed(shop)
            else:
                jobs.wake(shop_key(shop.id))
        for connection in self._connections:
            warehouses.connection_changed(connection)
        for warehouse in self._warehouses:
            warehouses.changed(warehouse)

    def _save(self, table: str, index: int, row: Model, values: Mapping[str, object]) -> frozenset[str]:
        """Save a row if it differs. Returns the names of the changed fields; none if nothing changed, or on a
        complaint."""
        is_new = row.pk is None
        if is_new and not self._is_complete(table, index, values):
            return frozenset()
        if not is_new and not self._may_keep_token(table, index, row, values):
            return frozenset()
        changed = tuple(name for name, value in values.items() if _stored(row, name) != value)
        for name in changed:
            setattr(row, name, values[name])
        if not is_new and not changed:
            self.outcome.unchanged.append(_title(table, row))
            return frozenset()
        try:
            row.full_clean(exclude=[name for name in secrets.names(row) if name not in values])
        except ValidationError as error:
            for name, messages in error.message_dict.items():
                key = "" if name == "__all__" else name
                self._complain(table, index, f"{key}: {' '.join(messages)}".removeprefix(": "), key=key)
            return frozenset()
        row.save()
        if is_new:
            self.outcome.created.append(_title(table, row))
        else:
            self.outcome.updated.append((_title(table, row), changed))
        return frozenset(changed)

    def _may_keep_token(self, table: str, index: int, row: Model, values: Mapping[str, object]) -> bool:
        """Whether a connection keeps its host, or comes with the token of the new host. Otherwise this complains.

        The token of one host must never be sent to another.
        """
        address = values.get("base_url")
        if not isinstance(row, Connection) or not isinstance(address, str):
            return True
        if "token" not in values and access.is_moved(row, to=address):
            self._complain(table, index, "base_url: it is another host's, name the token too", key="base_url")
            return False
        if access.is_moved(row, to=address):
            row.token = str(values["token"])  # the same token is encrypted again, bound to the new address
        return True

    def _is_complete(self, table: str, index: int, values: Mapping[str, object]) -> bool:
        """Whether a new row has every key that it needs. This complains of each that is missing."""
        missing = [name for name in NEEDED.get(table, ()) if not values.get(name)]
        for name in missing:
            self._complain(table, index, f"needs {name}")
        return not missing

    def _complain_of_shop(self, index: int, table: WarehouseTable) -> None:
        """Complain of a missing shop, unless the file names it: then there was a complaint about it already."""
        if table.shop not in {shop.domain for shop in self.file.config.shops}:
            self._complain("warehouses", index, f"there is no shop {table.shop}", key="shop")

    def _complain_of_connection(self, index: int, table: WarehouseTable) -> None:
        """Complain of a missing connection, unless the file names it: then there was a complaint about it already."""
        if table.connection not in {connection.slug for connection in self.file.config.connections}:
            message = f"there is no connection {table.connection}"
            self._complain("warehouses", index, message, key="connection")

    def _complain(self, table: str, index: int, message: str, *, key: str = "") -> None:
        line = self.file.line(table, index, key)
        self.complaints.append(Complaint(line, f"[[{table}]] {message}"))


def _named(table: BaseModel, *, without: Collection[str] = ()) -> dict[str, object]:
    """The keys that the file names, as values of model fields."""
    values: dict[str, object] = {
        name: getattr(table, name) for name in table.model_fields_set.difference(without)
    }
    for name in ("latitude", "longitude"):
        if isinstance(values.get(name), float):
            values[name] = Decimal(str(values[name])).quantize(Decimal("0.000001"))
    return values


def _title(table: str, row: Model) -> str:
    name = row.wms_warehouse_code if isinstance(row, Warehouse) else str(row)
    return f"{table.removesuffix('s')} {name}"


def _stored(row: Model, name: str) -> object:
    """The stored value of a field. It is None for a secret that cannot be read, so that the value of the file
    differs."""
    return secrets.readable(row, name) if name in secrets.names(row) else getattr(row, name)
