"""Bring shops, connections and warehouses in line with a configuration file, in one transaction."""

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
"""Keys that a new one cannot do without."""


@dataclass
class Outcome:
    """What became of each thing that the file names; names of changed fields, never their values."""

    created: list[str] = field(default_factory=list)
    updated: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)


def apply_config(file: ConfigFile) -> Outcome:
    """Create what is new, update what differs, leave the rest alone; then wake what waited.

    Raises ConfigError, and then nothing was changed.
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
        """[[shops]]"""
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
        """[[connections]]"""
        for index, table in enumerate(self.file.config.connections):
            connection = Connection.objects.filter(slug=table.slug).first()
            values = _named(table)
            if table.capabilities is not None:
                values["capabilities"] = sorted(capability.value for capability in table.capabilities)
            written = connection or Connection()
            if self._save("connections", index, written, values):
                self._connections.append(written)

    def warehouses(self) -> None:
        """[[warehouses]]; their shop and connection may stand in the file or in the database."""
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
        """Last in the transaction: waking takes locks that come last."""
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

    def _save(self, table: str, index: int, thing: Model, values: Mapping[str, object]) -> frozenset[str]:
        """The names of the fields that had to be written; none when nothing had to be or could be."""
        is_new = thing.pk is None
        if is_new and not self._is_complete(table, index, values):
            return frozenset()
        if not is_new and not self._stays(table, index, thing, values):
            return frozenset()
        changed = tuple(name for name, value in values.items() if _stored(thing, name) != value)
        for name in changed:
            setattr(thing, name, values[name])
        if not is_new and not changed:
            self.outcome.unchanged.append(_title(table, thing))
            return frozenset()
        try:
            thing.full_clean(exclude=[name for name in secrets.names(thing) if name not in values])
        except ValidationError as error:
            for name, messages in error.message_dict.items():
                key = "" if name == "__all__" else name
                self._complain(table, index, f"{key}: {' '.join(messages)}".removeprefix(": "), key=key)
            return frozenset()
        thing.save()
        if is_new:
            self.outcome.created.append(_title(table, thing))
        else:
            self.outcome.updated.append((_title(table, thing), changed))
        return frozenset(changed)

    def _stays(self, table: str, index: int, thing: Model, values: Mapping[str, object]) -> bool:
        """Whether it means the system that its token is for, or brings the token for another."""
        address = values.get("base_url")
        if not isinstance(thing, Connection) or not isinstance(address, str):
            return True
        if "token" not in values and access.is_moved(thing, to=address):
            self._complain(table, index, "base_url: it is another host's, name the token too", key="base_url")
            return False
        if access.is_moved(thing, to=address):
            thing.token = str(values["token"])  # the same one is sealed anew, for the new address
        return True

    def _is_complete(self, table: str, index: int, values: Mapping[str, object]) -> bool:
        missing = [name for name in NEEDED.get(table, ()) if not values.get(name)]
        for name in missing:
            self._complain(table, index, f"needs {name}")
        return not missing

    def _complain_of_shop(self, index: int, table: WarehouseTable) -> None:
        """Unless the file names the shop: then what is wrong with it was said there."""
        if table.shop not in {shop.domain for shop in self.file.config.shops}:
            self._complain("warehouses", index, f"there is no shop {table.shop}", key="shop")

    def _complain_of_connection(self, index: int, table: WarehouseTable) -> None:
        """Unless the file names the connection: then what is wrong with it was said there."""
        if table.connection not in {connection.slug for connection in self.file.config.connections}:
            message = f"there is no connection {table.connection}"
            self._complain("warehouses", index, message, key="connection")

    def _complain(self, table: str, index: int, message: str, *, key: str = "") -> None:
        line = self.file.line(table, index, key)
        self.complaints.append(Complaint(line, f"[[{table}]] {message}"))


def _named(table: BaseModel, *, without: Collection[str] = ()) -> dict[str, object]:
    """What the file names, as model fields."""
    values: dict[str, object] = {
        name: getattr(table, name) for name in table.model_fields_set.difference(without)
    }
    for name in ("latitude", "longitude"):
        if isinstance(values.get(name), float):
            values[name] = Decimal(str(values[name])).quantize(Decimal("0.000001"))
    return values


def _title(table: str, thing: Model) -> str:
    name = thing.wms_warehouse_code if isinstance(thing, Warehouse) else str(thing)
    return f"{table.removesuffix('s')} {name}"


def _stored(thing: Model, name: str) -> object:
    """None for a secret that cannot be read: whatever the file says is then another one."""
    return secrets.readable(thing, name) if name in secrets.names(thing) else getattr(thing, name)
