"""A job kind is declared once, and everything that concerns it goes by its declaration."""

from __future__ import annotations

import ast
import importlib
import json
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from pydantic import AwareDatetime

from ops.errors import Permanent
from ops.queue.kinds import EventKind, JobKind
from ops.queue.queues import Queue
from ops.text.masking import mask_personal
from ops.workers import handlers
from tests.architecture.layers import APPS, ROOT, sources

DECLARING = [
    file for file in sources(*APPS) if re.search(r"\b(JobKind|EventKind|from_callback)\b", file.read_text())
]


def _declared() -> Iterator[EventKind[Any]]:
    """Every declaration that a module holds under a name, or in a list or table under one."""
    for file in DECLARING:
        module = importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
        for value in vars(module).values():
            held = (
                value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
            )
            yield from (each for each in held if isinstance(each, EventKind))


EVENTS = {id(each): each for each in _declared()}.values()
JOBS = {each.name: each for each in EVENTS if isinstance(each, JobKind)}
BY_NAME = [pytest.param(each, id=each.name) for each in JOBS.values()]


def _of_ours(kind: str) -> bool:
    return not kind.startswith(("test.", "model."))


def test_every_job_task_has_one_declaration_and_every_declaration_a_task() -> None:
    assert {kind for kind in handlers.kinds() if _of_ours(kind)} == set(JOBS)
    assert all(handlers.kinds()[name] is kind for name, kind in JOBS.items())
    names = [each.name for each in EVENTS if isinstance(each, JobKind)]
    assert sorted(names) == sorted(set(names))


def test_every_event_of_a_lower_app_is_the_job_of_one_app() -> None:
    assert {each.name for each in EVENTS} == set(JOBS)


@pytest.mark.parametrize("kind", BY_NAME)
def test_its_words_complete_the_sentences_of_the_console(kind: JobKind[Any]) -> None:
    assert re.fullmatch(r"[a-z]+ [^.]*[^. ]", kind.work), "completes «Its work is to …»"
    assert not kind.work.startswith("to ")
    for sentences in filter(None, (kind.if_dead, kind.remedy)):
        assert re.fullmatch(r"[A-Z].*[.?]", sentences), "sentences"
    assert kind.if_dead


@pytest.mark.parametrize("kind", BY_NAME)
def test_its_queue_has_workers_and_it_is_tried_at_least_once(kind: JobKind[Any]) -> None:
    assert kind.queue in set(Queue) - {Queue.DISPATCH}
    assert kind.attempts >= 1
    assert kind.batch_size >= 1


def _sample(of: Any) -> Any:
    """A value of a payload's field."""
    if hasattr(of, "__supertype__"):
        return _sample(of.__supertype__)
    origin, inside = get_origin(of), get_args(of)
    if origin is UnionType:
        return _sample(next(each for each in inside if each is not NoneType))
    if origin is tuple:
        return (_sample(inside[0]), _sample(inside[0]))
    if origin is dict:
        return {"id": 7, "lines": [{"sku": "MUG"}]}
    if isinstance(of, type) and is_dataclass(of):
        return of(**{name: _sample(each) for name, each in _fields(of).items()})
    if issubclass(of, Enum):
        return next(iter(of))
    if of is AwareDatetime:
        of = datetime
    return {int: 7, str: "text", bool: True, datetime: datetime(2026, 11, 27, 9, 30, 0, 123456, tzinfo=UTC)}[
        of
    ]


def _fields(payload: type[Any]) -> dict[str, Any]:
    return get_type_hints(payload)


@pytest.mark.parametrize("kind", BY_NAME)
def test_its_payload_comes_back_from_a_row_as_it_was_put_in(kind: JobKind[Any]) -> None:
    payload = _sample(kind.payload)
    stored = json.loads(json.dumps(kind.write(payload)))
    assert kind.read(stored) == payload
    assert kind.read({**stored, "masked_on": "2026-11-27"}) == payload
    assert kind.read(mask_personal(stored)) == payload, (
        "a dead letter is replayed after its payload was masked"
    )


@pytest.mark.parametrize("kind", BY_NAME)
def test_a_row_from_before_a_field_with_a_default_is_read(kind: JobKind[Any]) -> None:
    payload = _sample(kind.payload)
    late = {
        each.name.removesuffix("_")
        for each in fields(payload)
        if each.default is not MISSING or each.default_factory is not MISSING
    }
    stored = {key: value for key, value in kind.write(payload).items() if key not in late}
    assert isinstance(kind.read(json.loads(json.dumps(stored))), kind.payload)


@pytest.mark.parametrize("kind", BY_NAME)
@pytest.mark.parametrize(
    "stored", [[], {}, {"unreadable": "nested too deeply"}, {"shop": "x" * 5000, "order": None}]
)
def test_a_row_that_does_not_fit_is_a_dead_letter_that_says_why(
    kind: JobKind[Any], stored: dict[str, Any]
) -> None:
    with pytest.raises(Permanent, match=re.escape(kind.name)) as refused:
        kind.read(stored)
    assert len(str(refused.value)) < 2000


def test_a_job_is_made_by_its_declaration_only() -> None:
    """`NewJob` takes a kind as a string: only the declarations make one."""
    makers = {
        str(file.relative_to(ROOT))
        for file in sources(*APPS)
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "NewJob"
    }
    assert makers == {"ops/queue/kinds.py"}


def test_no_module_names_a_job_kind_that_a_declaration_names() -> None:
    declaring = {str(file.relative_to(ROOT)) for file in DECLARING}
    named = [
        f"{path}:{node.lineno} {node.value}"
        for file in sources(*APPS)
        if (path := str(file.relative_to(ROOT))) not in declaring
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and node.value in JOBS
    ]
    assert named == []


def test_the_table_of_jobs_is_read_by_ops_alone() -> None:
    readers = [file for file in sources(*APPS) if "Job.objects" in file.read_text()]
    assert {file.relative_to(ROOT).parts[0] for file in readers} == {"ops"}
