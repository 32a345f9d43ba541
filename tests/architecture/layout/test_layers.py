"""What the import contract cannot see: lower rooms that know of higher ones by other means than an import."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from django.apps import apps
from django.db.models import Field, ForeignKey, ManyToManyField, Model

from tests.architecture.layers import APPS, ROOT, is_above, sources

# Vendors' own words that appear in job kinds: a receiver enqueues what the vendor sent, whoever owns it.
RECEIVED = ("shopify.", "wms.")


def _relations() -> Iterator[tuple[type[Model], ForeignKey | ManyToManyField, type[Model]]]:
    for model in apps.get_models():
        if model._meta.app_label not in APPS:
            continue
        for field in model._meta.get_fields():
            if isinstance(field, ForeignKey | ManyToManyField) and isinstance(field, Field):
                target = field.related_model
                if isinstance(target, type) and target._meta.app_label in APPS:
                    yield model, field, target


def test_no_foreign_key_points_to_a_higher_app() -> None:
    upward = [
        f"{model._meta.label}.{field.name} -> {target._meta.label}"
        for model, field, target in _relations()
        if is_above(target._meta.app_label, model._meta.app_label)
    ]
    assert upward == []


def test_no_model_has_an_accessor_into_a_higher_app() -> None:
    accessors = [
        f'{model._meta.label}.{field.name}: related_name="+" is missing'
        for model, field, target in _relations()
        if is_above(model._meta.app_label, target._meta.app_label) and not field.remote_field.hidden
    ]
    assert accessors == []


def _strings(file: Path) -> Iterator[tuple[int, str]]:
    """The string constants of a module, docstrings left out."""
    tree = ast.parse(file.read_text())
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.lineno, node.value


def test_no_lower_app_names_a_higher_apps_job_kind() -> None:
    named = []
    for app in APPS:
        higher = "|".join(APPS[: APPS.index(app)])
        kind = re.compile(rf"({higher})\.[a-z_]+(/[a-z_]+)?") if higher else None
        for file in sources(app) if kind else []:
            named += [
                f"{file.relative_to(ROOT)}:{line} {text!r}"
                for line, text in _strings(file)
                if kind and kind.fullmatch(text) and not text.startswith(RECEIVED)
            ]
    assert named == []


def test_only_tasks_import_domain_code_and_nothing_imports_tasks() -> None:
    importers = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in sources(*APPS)
        for name in _imported_modules(file)
        if name.split(".")[0] in APPS and name.split(".")[-1] == "tasks"
    ]
    assert importers == []


def _imported_modules(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
