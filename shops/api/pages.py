"""Lists of Shopify's that come in pages (Admin API 2026-10, connections): all of them read, each thing once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from ops.errors import Transient
from shops.api.shapes import PageInfo

MOST_PAGES = 40
"""Of one list. The longest there are, lines of an order, have some hundred things; a page holds ten at least."""

N = TypeVar("N", covariant=True)


class Page(Protocol[N]):
    """A page of a list."""

    @property
    def nodes(self) -> Sequence[N]: ...

    @property
    def page_info(self) -> PageInfo: ...


class Named(Protocol):
    """A thing with an id of Shopify's."""

    @property
    def id(self) -> int: ...


T = TypeVar("T")
Thing = TypeVar("Thing", bound=Named)


def all_of(first: Page[T], following: Callable[[str], Page[T]]) -> list[T]:
    """What is on the first page and on all that follow; `following` reads the page behind a cursor.

    Raises Transient where the pages come to no end, and what `following` raises.
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
    """Where the next page begins; None = there is none. `before`: where this one began.

    Raises Transient when there is one, and its place is not told or is that of this page.
    """
    if not info.has_next_page:
        return None
    if not info.end_cursor or info.end_cursor == before:
        raise Transient("Shopify's answer does not fit: there is another page, and no cursor leads to it")
    return info.end_cursor


def once(things: Iterable[Thing]) -> list[Thing]:
    """Each thing once, as it was told last: what changes while its list is read may come on two pages."""
    return list({thing.id: thing for thing in things}.values())
