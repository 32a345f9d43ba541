"""What a function decides upon are its arguments: only four things reach it by another way, and each is private."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

from ops import errors
from tests.architecture.layers import APPS, ROOT, sources

CARRIERS = {
    "ops/net/deadlines.py": "_until",  # read where the bytes of an answer are, inside another library
    "ops/queue/lanes.py": "_kept",  # what a run wakes, however deep, is looked after by its worker
    "ops/net/http.py": "_observed",  # every call of a run, however deep
    "ops/workers/run_context.py": "_current",  # what all calls of a run share
}


def _carriers(file: Path) -> list[str]:
    """The variables of a module that a context carries."""
    assigned = [
        node for node in ast.parse(file.read_text()).body if isinstance(node, ast.AnnAssign | ast.Assign)
    ]
    return [
        target.id
        for node in assigned
        if isinstance(node.value, ast.Call) and ast.unparse(node.value.func).endswith("ContextVar")
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    ]


def test_no_value_reaches_a_function_behind_its_back() -> None:
    found = {str(file.relative_to(ROOT)): name for file in sources(*APPS) for name in _carriers(file)}
    assert found == CARRIERS


def test_no_carrier_is_touched_by_another_module() -> None:
    touched = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in sources(*APPS)
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in CARRIERS.values()
        if isinstance(node.value, ast.Name) and node.value.id in {"deadlines", "http", "lanes", "run_context"}
    ]
    assert touched == []


def test_no_error_has_a_switch() -> None:
    """What an error means is told by its class."""
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)]
    switches = [
        f"{kind.__name__}({parameter.name})"
        for kind in kinds
        for parameter in inspect.signature(kind).parameters.values()
        if parameter.annotation in (bool, "bool")
    ]
    assert switches == []
