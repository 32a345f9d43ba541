"""Reads and checks the TOML file of `load_config`. Every complaint names its line."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
)
from pydantic_core import PydanticCustomError

from ops.text import entered_text, moments
from shops.api import gids
from wms.adapters import ADAPTERS
from wms.adapters.base import Capability

MAX_BYTES = 5 * 1024 * 1024


@dataclass(frozen=True)
class Complaint:
    """What is wrong in which line. Line 0 stands for the whole file."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}" if self.line else self.message


class ConfigError(ValueError):
    """The file cannot be used, and nothing was changed."""

    def __init__(self, complaints: list[Complaint]) -> None:
        super().__init__("; ".join(map(str, complaints)))
        self.complaints = complaints


def _from_environment(value: str) -> str:
    """Return the value, or for `env:NAME` the value of that variable. Refuses a variable that is not set."""
    if not value.startswith("env:"):
        return value
    name = value.removeprefix("env:").strip()
    found = os.environ.get(name, "")
    if not found:
        raise PydanticCustomError("environment", "environment variable {name} is not set", {"name": name})
    return found


def _location(value: object) -> object:
    """Return the number of a Shopify location, which may be given as a gid. Refuses everything else."""
    number = gids.number_or_none(value)
    if number is None:
        raise PydanticCustomError("location", "is neither a number nor a gid of a Shopify location")
    return number


def _known_adapter(value: str) -> str:
    if value not in ADAPTERS:
        raise PydanticCustomError(
            "adapter", "no such adapter; known: {known}", {"known": ", ".join(ADAPTERS)}
        )
    return value


def _known_zone(value: str) -> str:
    if not moments.is_zone(value):
        raise PydanticCustomError("zone", "no name of the time zone database, such as Europe/Berlin or UTC")
    return value


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
Secret = Annotated[str, StringConstraints(max_length=4000), AfterValidator(_from_environment)]
Domain = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, to_lower=True, pattern=r"^[a-z0-9][a-z0-9-]*\.myshopify\.com$", max_length=255
    ),
]
Slug = Annotated[
    str, StringConstraints(strip_whitespace=True, pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=50)
]
Country = Annotated[str, StringConstraints(to_upper=True, pattern=r"^[A-Za-z]{2}$")]


class _Table(BaseModel):
    """One [[table]]. Only the keys that the file names are applied (`model_fields_set`).

    Values must have the right TOML type: "yes" is no boolean, and "1" is no number.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    @field_validator("*", mode="before")
    @classmethod
    def _one_line(cls, value: Any) -> Any:
        """Refuse control characters, because rows are looked up by these texts."""
        if isinstance(value, str) and entered_text.has_control(value):
            raise PydanticCustomError("control", entered_text.CONTROL_WORDS)
        return value


class ShopTable(_Table):
    """A [[shops]] table. The domain identifies the shop."""

    domain: Domain
    name: Name | None = None
    client_id: Name | None = None
    client_secret: Secret | None = None
    access_token: Secret | None = None
    webhook_secret: Secret | None = None
    webhook_secret_previous: Secret | None = None
    api_version: Annotated[str, StringConstraints(pattern=r"^(20\d\d-(01|04|07|10)|unstable)$")] | None = None
    submit_policy: Literal["paid", "authorized", "always"] | None = None
    submit_test_orders: bool | None = None
    whole_orders_only: bool | None = None
    routes_all_locations: bool | None = None
    notify_customer: bool | None = None
    is_active: bool | None = None


class ConnectionTable(_Table):
    """A [[connections]] table. The slug identifies the connection."""

    slug: Slug
    name: Name | None = None
    adapter: Annotated[str, AfterValidator(_known_adapter)] | None = None
    base_url: (
        Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^https?://\S+$", max_length=500)]
        | None
    ) = None
    token: Secret | None = None
    callback_secret: Secret | None = None
    callback_secret_previous: Secret | None = None
    capabilities: list[Annotated[Capability, Field(strict=False)]] | None = None
    stock_basis: Literal["available", "on_hand"] | None = None
    time_zone: Annotated[str, AfterValidator(_known_zone)] | None = None
    is_active: bool | None = None


class WarehouseTable(_Table):
    """A [[warehouses]] table. Shop, connection and the code of the WMS identify the warehouse."""

    connection: Slug
    shop: Domain
    wms_warehouse_code: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    name: Name | None = None
    shopify_location_id: Annotated[int, BeforeValidator(_location)] | None = None
    priority: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    serves_countries: list[Country] | None = None
    latitude: Annotated[float, Field(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Field(ge=-180, le=180)] | None = None
    daily_capacity: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    paused: bool | None = None
    is_active: bool | None = None


class Config(_Table):
    """The whole file."""

    shops: list[ShopTable] = []
    connections: list[ConnectionTable] = []
    warehouses: list[WarehouseTable] = []


@dataclass(frozen=True)
class ConfigFile:
    """A checked file, with its text, so that lines can be found."""

    config: Config
    text: str

    def line(self, table: str, index: int, key: str = "") -> int:
        """The line of a key in the index-th [[table]], else the line of the table; 0 if neither is found."""
        return line_of(self.text, table=table, index=index, key=key)


def read_config(raw: bytes) -> ConfigFile:
    """Check a file. Raises ConfigError with everything that is wrong."""
    if len(raw) > MAX_BYTES:
        raise ConfigError([Complaint(0, "the file is too large")])
    try:
        text = raw.decode("utf-8-sig")
        parsed = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise ConfigError([Complaint(raw[: error.start].count(b"\n") + 1, "is not UTF-8 text")]) from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        found = re.search(r"line (\d+)", str(error))
        raise ConfigError([Complaint(int(found[1]) if found else 0, f"is not TOML: {error}")]) from error
    try:
        config = Config.model_validate(parsed)
    except ValidationError as error:
        complaints = {
            _complaint(text, detail["loc"], detail["type"], detail["msg"]) for detail in error.errors()
        }
        raise ConfigError(
            sorted(complaints, key=lambda complaint: (complaint.line, complaint.message))
        ) from error
    _refuse_duplicates(config, text)
    return ConfigFile(config=config, text=text)


def line_of(text: str, *, table: str, index: int | None, key: str) -> int:
    """The first line of `key` in the index-th [[table]] (anywhere if index is None), else the line of the table."""
    header = re.compile(r"\s*\[{1,2}\s*([^\[\]]+?)\s*\]{1,2}")
    wanted = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*[=.]""") if key else None
    current, count, table_line = "", -1, 0
    for number, line in enumerate(text.splitlines(), start=1):
        if found := header.match(line):
            current = found[1].strip("\"' ")
            count += current == table
            if current == table and (index is None or count == index):
                table_line = table_line or number
        elif wanted and wanted.match(line) and (index is None or (current == table and count == index)):
            return number
    return table_line


def _complaint(text: str, path: tuple[int | str, ...], kind: str, message: str) -> Complaint:
    """Turn an error of pydantic into a complaint. `path` is the table, the index in it, and the key, as far as
    known."""
    table = str(path[0]) if path else ""
    index = path[1] if len(path) > 1 and isinstance(path[1], int) else None
    key = str(path[2]) if len(path) > 2 else ""
    if kind == "extra_forbidden":
        message = f"unknown {'key' if key else 'table or key'} {key or table}"
    else:
        message = f"{key or table}: {message}"
    if key and index is not None:
        return Complaint(line_of(text, table=table, index=index, key=key), f"[[{table}]] {message}")
    line = line_of(text, table=table, index=index, key="") or line_of(text, table="", index=None, key=table)
    return Complaint(line, message)


def _refuse_duplicates(config: Config, text: str) -> None:
    """Raises ConfigError if two tables are about the same row."""
    names: dict[str, list[tuple[str, ...]]] = {
        "shops": [(shop.domain,) for shop in config.shops],
        "connections": [(connection.slug,) for connection in config.connections],
        "warehouses": [(w.shop, w.connection, w.wms_warehouse_code) for w in config.warehouses],
    }
    duplicates = [
        Complaint(
            line_of(text, table=table, index=index, key=""), f"[[{table}]] {' '.join(name)} is there twice"
        )
        for table, all_of in names.items()
        for index, name in enumerate(all_of)
        if name in all_of[:index]
    ]
    if duplicates:
        raise ConfigError(duplicates)
