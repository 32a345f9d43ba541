"""Pages of lists in memory, as Relay connections."""

import base64
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sandbox.shopify.graphql.rules import Violation

PAGE_LIMIT = 250


@dataclass(frozen=True)
class Page:
    """One page. It serves as the connection and as its pageInfo."""

    items: list[Any]
    cursors: list[str]
    has_next_page: bool
    has_previous_page: bool

    @property
    def start_cursor(self) -> str | None:
        return self.cursors[0] if self.cursors else None

    @property
    def end_cursor(self) -> str | None:
        return self.cursors[-1] if self.cursors else None


def encode(key: list[Any]) -> str:
    """Returns the opaque cursor of a key."""
    return base64.b64encode(json.dumps(key).encode()).decode()


def decode(cursor: str) -> list[Any]:
    """Returns the key in a cursor. Raises Violation."""
    try:
        return list(json.loads(base64.b64decode(cursor, validate=True)))
    except ValueError as problem:
        raise Violation(f"Invalid cursor: {cursor}", "INVALID_CURSOR") from problem


def paginate(
    items: Iterable[Any], args: dict[str, Any], *, key: Callable[[Any], list[Any]] = lambda each: [each.id]
) -> Page:
    """Sorts items by their key (JSON values) and cuts one page by first and after, or by last without a cursor.

    Raises Violation.
    """
    first, last, after = args.get("first"), args.get("last"), args.get("after")
    if first is None and last is None:
        raise Violation("you must provide one of first or last", "BAD_REQUEST")
    if (first or last or 0) > PAGE_LIMIT:
        raise Violation(f"Page size cannot be greater than {PAGE_LIMIT}", "BAD_REQUEST")
    reverse = bool(args.get("reverse"))
    ordered = sorted(((key(each), each) for each in items), key=lambda pair: pair[0], reverse=reverse)
    total = len(ordered)
    if after:
        mark = decode(after)
        ordered = [pair for pair in ordered if (pair[0] < mark if reverse else pair[0] > mark)]
    cut = ordered[:first] if first is not None else ordered[-(last or 0) :]
    return Page(
        items=[each for _, each in cut],
        cursors=[encode(mark) for mark, _ in cut],
        has_next_page=first is not None and len(cut) < len(ordered),
        has_previous_page=len(ordered) < total or (first is None and len(cut) < len(ordered)),
    )
