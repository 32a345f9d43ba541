"""A state is written in one place, by a table of what may follow what; the pictures in the manual show that table."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.architecture.layers import APPS, ROOT, sources
from tests.architecture.states import state_pictures
from wms.vocabulary.statuses import WmsStatus

GATE = ROOT / "fulfillment/wms_order_states.py"
STATES = ROOT / "docs/states.md"
FIELD = "wms_status"
_UPDATE = re.compile(r'\bUPDATE\s+"?wms_order_map\b', re.IGNORECASE)


def _writes(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Where `wms_status` is written. A row that is created begins in a state: that is no change."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="update" | "update_or_create")) if FIELD in _told(node):
                yield node.lineno, "an UPDATE of its own"
            case ast.Call(func=ast.Attribute(attr="bulk_update" | "bulk_create" | "save" | "asave")) if (
                FIELD in _told(node)
            ):
                yield node.lineno, "a field that is saved"
            case ast.Call(func=ast.Name(id="setattr")) if FIELD in _told(node):
                yield node.lineno, "an assignment by name"
            case ast.Attribute(attr="wms_status", ctx=ast.Store()):
                yield node.lineno, "an assignment"
            case ast.Constant(value=str(text)) if _UPDATE.search(text):
                yield node.lineno, "an UPDATE in SQL"


def _told(call: ast.Call) -> set[str]:
    """The names and strings that a call is given."""
    values = [*call.args, *(keyword.value for keyword in call.keywords)]
    return {keyword.arg for keyword in call.keywords if keyword.arg}.union(*map(_strings, values))


def _strings(node: ast.AST) -> set[str]:
    constants = (each for each in ast.walk(node) if isinstance(each, ast.Constant))
    return {each.value for each in constants if isinstance(each.value, str)}


def _bare_words(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Where `wms_status` is compared with a word instead of a `WmsStatus`."""
    for node in ast.walk(tree):
        compared: list[ast.expr] = []
        if isinstance(node, ast.keyword) and node.arg and node.arg.split("__")[0] == FIELD:
            compared = [node.value]
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            about_it = any(isinstance(side, ast.Attribute) and side.attr == FIELD for side in sides)
            compared = sides if about_it else []
        for value in compared:
            yield from ((value.lineno, word) for word in _strings(value) & set(WmsStatus.values))


def _everywhere() -> Iterator[tuple[Path, ast.Module]]:
    for file in sources(*APPS):
        yield file, ast.parse(file.read_text())


def test_one_module_writes_the_state_of_a_wms_order() -> None:
    elsewhere = [
        f"{file.relative_to(ROOT)}:{line} is {what}: use wms_order_states.advance"
        for file, tree in _everywhere()
        if file != GATE
        for line, what in _writes(tree)
    ]
    assert elsewhere == []


def test_that_module_writes_it_once() -> None:
    assert len(list(_writes(ast.parse(GATE.read_text())))) == 1


@pytest.mark.parametrize(
    "code",
    [
        "rows.update(wms_status=status)",
        "rows.filter(id=1).update(**{'wms_status': status, 'outcome': outcome})",
        "WmsOrder.objects.update_or_create(id=1, defaults={'wms_status': status})",
        "WmsOrder.objects.bulk_update(rows, ['wms_status'])",
        "row.wms_status = status",
        "row.wms_status, row.change_request = status, asked",
        "setattr(row, 'wms_status', status)",
        "row.save(update_fields=['wms_status'])",
        "cursor.execute('UPDATE wms_order_map SET wms_status = %s', [status])",
    ],
)
def test_every_way_to_write_it_is_seen(code: str) -> None:
    assert list(_writes(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "rows.filter(wms_status=status).update(outcome=outcome)",
        "WmsOrder(wms_status=status)",
        "row.refresh_from_db(fields=['wms_status'])",
        "was = row.wms_status",
    ],
)
def test_reading_it_and_making_a_row_are_no_writing(code: str) -> None:
    assert not list(_writes(ast.parse(code)))


def test_nothing_compares_the_state_with_a_bare_word() -> None:
    bare = [
        f"{file.relative_to(ROOT)}:{line} {word!r}: say WmsStatus.{word.upper()}"
        for file, tree in _everywhere()
        for line, word in _bare_words(tree)
    ]
    assert bare == []


@pytest.mark.parametrize(
    "code",
    ["rows.exclude(wms_status='cancelled')", "Q(wms_status__in=['shipped'])", "row.wms_status == 'pending'"],
)
def test_every_bare_word_is_seen(code: str) -> None:
    assert list(_bare_words(ast.parse(code)))


@pytest.mark.parametrize("draw", [state_pictures.outside, state_pictures.inside])
def test_the_pictures_in_the_manual_show_the_table(draw: Callable[[], str]) -> None:
    picture = draw()
    assert picture in STATES.read_text(), (
        f"The table in {GATE.name} changed. Replace the picture in docs/states.md by this:\n\n{picture}"
    )


def _writes_returns(tree: ast.AST) -> Iterator[int]:
    """Where the state of a return is written by an UPDATE: by `state=ReturnState....`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "update":
            for keyword in node.keywords:
                names = {each.id for each in ast.walk(keyword.value) if isinstance(each, ast.Name)}
                if keyword.arg == "state" and "ReturnState" in names:
                    yield node.lineno


def test_one_module_writes_the_state_of_a_return() -> None:
    assert list(_writes_returns(ast.parse("rows.update(state=ReturnState.OPEN)")))
    assert [
        f"{file.relative_to(ROOT)}:{line}" for file, tree in _everywhere() for line in _writes_returns(tree)
    ] == []
