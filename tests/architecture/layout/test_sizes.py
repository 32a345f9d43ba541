"""A module is named for what it does, stays small enough to be read at one sitting, and has few neighbours."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

from tests.architecture.layers import APPS, ROOT, sources

MODULE_LINES = 400  # aim at 300
FUNCTION_LINES = 60  # aim at 30
MODULES_SIDE_BY_SIDE = 8
CATCH_ALL = {"utils", "helpers", "services", "managers", "common", "misc", "core", "base_models", "signals"}


def _functions(file: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    nodes = ast.walk(ast.parse(file.read_text()))
    return [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_no_module_outgrows_one_sitting() -> None:
    lengths = {file: len(file.read_text().splitlines()) for file in sources(*APPS, "sandbox")}
    assert {str(file.relative_to(ROOT)): n for file, n in lengths.items() if n > MODULE_LINES} == {}


def test_no_function_outgrows_one_screen() -> None:
    long = [
        f"{file.relative_to(ROOT)}:{function.lineno} {function.name} has {length} lines"
        for file in sources(*APPS, "sandbox")
        for function in _functions(file)
        if (length := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES
    ]
    assert long == []


def test_few_modules_stand_side_by_side() -> None:
    modules = [file for file in sources(*APPS, "sandbox", "bench", "tests") if file.name != "__init__.py"]
    folders = Counter(str(file.parent.relative_to(ROOT)) for file in modules)
    assert {folder: n for folder, n in folders.items() if n > MODULES_SIDE_BY_SIDE} == {}


def test_no_module_is_a_drawer_for_everything() -> None:
    named = [
        file
        for file in sources(*APPS, "sandbox")
        if CATCH_ALL & set(file.relative_to(ROOT).with_suffix("").parts)
    ]
    assert named == []


def test_only_the_job_runner_may_catch_everything() -> None:
    excused = [str(file.relative_to(ROOT)) for file in sources(*APPS) if "noqa: BLE001" in file.read_text()]
    assert excused in ([], ["ops/workers/runner.py"])
