"""What a connection (one account at the WMS) consists of, in memory."""

import itertools
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]
numbers = itertools.count(1)


def new_id(prefix: str) -> str:
    """Returns the next id: WO-000001, SH-000002, ..."""
    return f"{prefix}-{next(numbers):06d}"


def now() -> datetime:
    """Returns the current time, which has microseconds at the WMS."""
    return datetime.now(UTC)


def stamp(moment: datetime) -> str:
    """Returns a time as the WMS writes it: 2026-10-01T12:00:00.123456Z."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass(eq=False)
class Stock:
    """The stock of one item in one warehouse. `allocated` is what open orders need."""

    warehouse: str
    item: str
    on_hand: int
    allocated: int = 0
    sequence: int = 1
    updated_at: datetime = field(default_factory=now)

    @property
    def available(self) -> int:
        return self.on_hand - self.allocated

    def change(self, *, on_hand: int = 0, allocated: int = 0) -> None:
        """Adds to the quantities, and raises the sequence."""
        self.on_hand += on_hand
        self.allocated += allocated
        self.sequence += 1
        self.updated_at = now()


@dataclass(eq=False)
class OrderLine:
    item: str
    quantity: int
    external_id: str
    shipped: int = 0


@dataclass(eq=False)
class WmsOrder:
    id: str
    external_id: str
    external_ref: str
    warehouse: str
    lines: list[OrderLine]
    address: Json
    shipping_method: str
    status: str = "accepted"
    cancel_asked: bool = False
    returned: bool = False  # its caller has received the answer, or never will
    history: list[Json] = field(default_factory=list)
    created_at: datetime = field(default_factory=now)

    def left(self) -> dict[str, int]:
        """Returns the units that are not shipped yet, by item."""
        units: Counter[str] = Counter()
        for line in self.lines:
            units[line.item] += max(0, line.quantity - line.shipped)
        return {item: count for item, count in units.items() if count}

    def enter(self, status: str) -> None:
        """Sets a new status, and notes it with its time in the history."""
        self.status = status
        self.history.append({"status": status, "at": stamp(now())})


@dataclass(eq=False)
class Connection:
    slug: str
    token: str
    callback_secret: str
    callback_url: str | None
    cancel_in_picking: str = "confirm"
    lookup: bool = True
    idempotency: bool = True
    updatable_until: str = "picking"
    auto: Json | None = None
    stock: dict[tuple[str, str], Stock] = field(default_factory=dict)
    warehouses: set[str] = field(default_factory=set)
    orders: dict[str, WmsOrder] = field(default_factory=dict)
    by_external: dict[str, list[WmsOrder]] = field(default_factory=dict)
    replies: dict[tuple[str, str], tuple[str, Json]] = field(
        default_factory=dict
    )  # (call, key) -> (subject, body)
    shipments: list[Json] = field(default_factory=list)
    returns: dict[str, Json] = field(default_factory=dict)
    create_calls: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    early: Counter[str] = field(
        default_factory=Counter
    )  # callbacks accepted before the caller had the order's answer
    unauthorised: int = 0
    refused: int = 0
