"""The locations of a shop, its variants, and the stock of each variant at each location."""

from dataclasses import dataclass, field
from datetime import datetime

from sandbox.shopify.state.times import now


@dataclass(eq=False)
class Location:
    id: int
    name: str
    country: str
    is_active: bool = True
    created_at: datetime = field(default_factory=now)


@dataclass(eq=False)
class Variant:
    id: int
    sku: str | None
    title: str
    inventory_item_id: int
    product_id: int
    requires_shipping: bool
    is_gift_card: bool
    tracked: bool
    price: str
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)


@dataclass(eq=False)
class Level:
    """The stock of one item at one location."""

    variant: Variant
    location: Location
    available: int
    committed: int = 0
    is_active: bool = True
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)

    @property
    def on_hand(self) -> int:
        return self.available + self.committed
