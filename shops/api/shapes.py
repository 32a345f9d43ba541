"""Shopify's answers as typed objects. An answer of another shape raises one of our errors (Admin API 2026-10)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from ops.errors import Transient, UnknownOutcome
from ops.text.untrusted import misfits
from shops.api import gids
from shops.ids import (
    FulfillmentId,
    FulfillmentOrderId,
    FulfillmentOrderLineId,
    InventoryItemId,
    LocationId,
    ShopifyLineId,
    ShopifyOrderId,
    VariantId,
)

_FIRST_YEAR, _LAST_YEAR = 1900, 2200


def _number(value: Any) -> Any:
    return gids.number(value) if isinstance(value, str) else value


def _text(value: Any) -> Any:
    return "" if value is None else value


def _with_zone(value: datetime) -> datetime:
    if not _FIRST_YEAR <= value.year < _LAST_YEAR:
        raise ValueError("is no time of ours")
    # Offsets may be up to 24 hours in Python, and only up to 16 in Postgres.
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


_FROM_GID = BeforeValidator(_number)
_ID = Field(gt=0, lt=2**63)
Gid = Annotated[int, _FROM_GID, _ID]
"""For what may be of several kinds."""
OrderGid = Annotated[ShopifyOrderId, _FROM_GID, _ID]
LineGid = Annotated[ShopifyLineId, _FROM_GID, _ID]
FulfillmentOrderGid = Annotated[FulfillmentOrderId, _FROM_GID, _ID]
FulfillmentOrderLineGid = Annotated[FulfillmentOrderLineId, _FROM_GID, _ID]
FulfillmentGid = Annotated[FulfillmentId, _FROM_GID, _ID]
LocationGid = Annotated[LocationId, _FROM_GID, _ID]
VariantGid = Annotated[VariantId, _FROM_GID, _ID]
InventoryItemGid = Annotated[InventoryItemId, _FROM_GID, _ID]
Text = Annotated[str, BeforeValidator(_text)]
Units = Annotated[int, Field(ge=0, lt=2**31)]
"""A quantity that cannot be below zero, as Postgres stores it."""
Level = Annotated[int, Field(gt=-(2**31), lt=2**31)]
"""A quantity that can be below zero, for example oversold stock."""
Moment = Annotated[datetime, AfterValidator(_with_zone)]


class Shape(BaseModel):
    """The base of all shapes; its fields are camelCase in Shopify's schema and snake_case here."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
    )


class PageInfo(Shape):
    """Whether a connection has a next page, and its cursor."""

    has_next_page: bool
    end_cursor: str | None = None


class UserError(Shape):
    """A reason why Shopify refused a mutation: the input field, a message, and a code if Shopify has one."""

    field: tuple[str, ...] | None = None
    message: Text = ""
    code: Text = ""


class Payload(Shape):
    """The answer of every mutation. `userErrors` must be there: without them nobody knows whether it was refused."""

    user_errors: tuple[UserError, ...]

    @property
    def messages(self) -> str:
        """Its userErrors as a text; "" = the mutation was done."""
        return words(self.user_errors)


S = TypeVar("S", bound=Shape)


def words(errors: Sequence[UserError]) -> str:
    """Return userErrors on one line, short enough for an alert."""
    return "; ".join(error.message or error.code or "an error without words" for error in errors)[:1000]


def parse(kind: type[S], value: Any, *, changes: bool = False) -> S:
    """Parse `value` as a `kind`. If it does not fit, raises UnknownOutcome for a changing call, else Transient."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        unfit = UnknownOutcome if changes else Transient
        raise unfit(
            f"Shopify's answer does not fit {kind.__name__.strip('_')}: {misfits(error)}"[:1000]
        ) from error
