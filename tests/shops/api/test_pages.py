"""A paged list is read to its end, and one that has no end is not read for ever."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from ops.errors import Transient
from shops.api import pages
from shops.api.shapes import PageInfo


@dataclass(frozen=True)
class Page:
    nodes: list[str]
    page_info: PageInfo


@dataclass(frozen=True)
class Thing:
    id: int
    version: str


def info(cursor: str | None) -> PageInfo:
    return PageInfo(has_next_page=cursor is not None, end_cursor=cursor)


def listed(*of_pages: str) -> tuple[Page, dict[str, Page]]:
    """The first page, and those behind it by their cursor."""
    made = [
        Page(list(nodes), info(str(i) if i < len(of_pages) else None))
        for i, nodes in enumerate(of_pages, start=1)
    ]
    return made[0], {str(i): page for i, page in enumerate(made[1:], start=1)}


@pytest.mark.parametrize("of_pages", [["abc"], ["ab", "c"], ["", "abc"], ["a", "b", "c"]])
def test_all_nodes_come_in_their_order(of_pages: list[str]) -> None:
    first, following = listed(*of_pages)
    assert pages.all_of(first, following.__getitem__) == ["a", "b", "c"]
    assert first.nodes == list(of_pages[0])  # the page itself is left as it is


@pytest.mark.parametrize(("count", "ends"), [(41, True), (42, False)])
def test_a_list_has_forty_pages_behind_the_first_at_most(count: int, ends: bool) -> None:
    first, following = listed(*"x" * count)
    if ends:
        assert len(pages.all_of(first, following.__getitem__)) == count
    else:
        with pytest.raises(Transient, match="no end"):
            pages.all_of(first, following.__getitem__)


def test_pages_that_lead_back_come_to_no_end() -> None:
    first = Page(["a"], info("1"))
    there = {"1": Page(["b"], info("2")), "2": Page(["c"], info("1"))}
    with pytest.raises(Transient, match="no end"):
        pages.all_of(first, there.__getitem__)


@pytest.mark.parametrize(
    ("more", "end", "before", "cursor"),
    [(False, "2", None, None), (False, "2", "2", None), (True, "2", None, "2"), (True, "2", "1", "2")],
)
def test_the_cursor_leads_to_the_next_page_if_there_is_one(
    more: bool, end: str, before: str | None, cursor: str | None
) -> None:
    found = pages.cursor_behind(PageInfo(has_next_page=more, end_cursor=end), before=before)
    assert found == cursor


@pytest.mark.parametrize(("end", "before"), [(None, None), ("", None), ("1", "1")])
def test_a_next_page_without_a_cursor_of_its_own_does_not_fit(end: str | None, before: str | None) -> None:
    with pytest.raises(Transient, match="no cursor"):
        pages.cursor_behind(PageInfo(has_next_page=True, end_cursor=end), before=before)


def test_of_one_that_is_on_two_pages_the_last_version_counts() -> None:
    things = [Thing(1, "old"), Thing(2, "only"), Thing(1, "new")]
    assert pages.once(things) == [Thing(1, "new"), Thing(2, "only")]
