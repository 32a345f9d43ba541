"""The alerts as they are declared, and where the code opens and closes them, read from the sources."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ops.alerting.kinds import AlertKind, close_kinds
from tests.architecture.layers import APPS, ROOT, sources


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def is_a_place_of_alerts(file: Path) -> bool:
    """`<app>/alerts.py`, a module of `<app>/alerts/`, and the one of ops."""
    path = file.relative_to(ROOT)
    return path.with_suffix("").parts[1] == "alerts" or str(path) == "ops/alerting/own_alerts.py"


def places() -> list[Path]:
    return [file for file in sources(*APPS) if is_a_place_of_alerts(file)]


def others() -> list[Path]:
    return [
        file for file in sources(*APPS) if not is_a_place_of_alerts(file) and "import" in file.read_text()
    ]


def kinds_in(value: object) -> list[AlertKind]:
    """The kinds that a value is or holds."""
    if isinstance(value, AlertKind):
        return [value]
    held = value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else ()
    return [kind for each in held for kind in kinds_in(each)]


@cache
def declared() -> dict[str, AlertKind]:
    """Every kind by its name."""
    found = [kind for file in places() for value in _names(file).values() for kind in kinds_in(value)]
    return {kind.name: kind for kind in found}


@cache
def _names(file: Path) -> dict[str, object]:
    return vars(importlib.import_module(module_of(file)))


def resolved(file: Path, node: ast.expr) -> object:
    """What an expression of names is in its module: `alerts.ORDER_EDITED`; an item of a dict stands for all of it."""
    if isinstance(node, ast.Name):
        return _names(file).get(node.id)
    if isinstance(node, ast.Attribute):
        return getattr(resolved(file, node.value), node.attr, None)
    if isinstance(node, ast.Subscript | ast.Starred):
        return resolved(file, node.value)
    if isinstance(node, ast.List | ast.Tuple):
        return [resolved(file, each) for each in node.elts]
    return None


@dataclass(frozen=True)
class Call:
    """A call that opens or closes alerts. `kinds`: of which kinds; none when that cannot be read from the source."""

    file: Path
    function: str
    node: ast.Call
    kinds: tuple[AlertKind, ...]

    @property
    def place(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.node.lineno}"

    def may_pass_none(self, name: str) -> bool:
        """Whether an argument can be None, by the annotations of what it is made of."""
        (argument,) = (word.value for word in self.node.keywords if word.arg == name)
        return any(self._may_be_none(node) for node in ast.walk(argument))

    def _may_be_none(self, node: ast.AST) -> bool:
        annotation: object = ""
        if isinstance(node, ast.Constant):
            return node.value is None
        if isinstance(node, ast.Name):
            around = _names(self.file)[self.function]
            annotation = getattr(around, "__annotations__", {}).get(node.id)
        if isinstance(node, ast.Call):
            annotation = getattr(resolved(self.file, node.func), "__annotations__", {}).get("return")
        return "None" in str(annotation or "")


def opened() -> list[Call]:
    """The calls of `AlertKind.open`."""
    return [call for file in sources(*APPS) for call in _calls_of("open", file)]


def closed() -> list[Call]:
    """The calls of `AlertKind.close` and of `close_kinds`."""
    return [
        call for file in sources(*APPS) for call in [*_calls_of("close", file), *_calls_of_close_kinds(file)]
    ]


def _calls_of(method: str, file: Path) -> Iterator[Call]:
    for function, node in _calls(file):
        if isinstance(node.func, ast.Attribute) and node.func.attr == method:
            kinds = kinds_in(resolved(file, node.func.value))
            yield from [Call(file, function, node, tuple(kinds))] if kinds else []


def _calls_of_close_kinds(file: Path) -> Iterator[Call]:
    for function, node in _calls(file):
        if resolved(file, node.func) is close_kinds:
            yield Call(file, function, node, tuple(kinds_in(resolved(file, node.args[0]))))


def _calls(file: Path) -> Iterator[tuple[str, ast.Call]]:
    """The calls in a file, each with the function at the module's level that it is in."""
    for statement in parsed(file).body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Call):
                yield getattr(statement, "name", ""), node
