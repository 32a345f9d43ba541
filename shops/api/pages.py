"""Reads Shopify's paged lists (Admin API 2026-10, connections) to their end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from ops.errors import Transient
from shops.api.shapes import PageInfo

MOST_PAGES = 40
"""The most pages of one list. The longest lists, lines of an order, have some hundred nodes; a page has at least
ten."""

N = TypeVar("N", covariant=True)


class Page(Protocol[N]):
    """One page of a list."""

    @property
    def nodes(self) -> Sequence[N]: ...

    @property
    def page_info(self) -> PageInfo: ...


class Named(Protocol):
    """An object with an id of Shopify."""

    @property
    def id(self) -> int: ...


T = TypeVar("T")
Thing = TypeVar("Thing", bound=Named)


def all_of(first: Page[T], following: Callable[[str], Page[T]]) -> list[T]:
    """Return the nodes of the first page and of all following pages; `following` reads the page after a cursor.

    Raises Transient if the pages do not end, and what `following` raises.
    """
    page, nodes, cursors = first, list(first.nodes), set[str]()
    while (cursor := cursor_behind(page.page_info)) is not None:
        if cursor in cursors or len(cursors) >= MOST_PAGES:
            raise Transient("Shopify's answer does not fit: the pages of a list come to no end")
        cursors.add(cursor)
        page = following(cursor)
        nodes += page.nodes
    return nodes


def cursor_behind(info: PageInfo, *, before: str | None = None) -> str | None:
    """Return the cursor of the next page; None if there is none. `before` is the cursor of this page.

    Raises Transient if there is a next page, and its cursor is missing or is that of this page.
    """
    if not info.has_next_page:
        return None
    if not info.end_cursor or info.end_cursor == before:
        raise Transient("Shopify's answer does not fit: there is another page, and no cursor leads to it")
    return info.end_cursor


def once(things: Iterable[Thing]) -> list[Thing]:
    """Return each object once, in its last version: one that changes while the list is read may be on two pages."""
    return list({thing.id: thing for thing in things}.values())
