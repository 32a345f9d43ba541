"""What the application does not use itself is deleted: tests alone keep nothing alive."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.architecture.layers import APPS, ROOT, sources

FOUND_BY_FRAMEWORKS = re.compile(
    r"wmsbridge/(settings|urls|postgres/base)\.py|.*/apps\.py|.*/formats/.*|.*/management/commands/.*"
)
"""Modules whose names Django looks up."""

KEPT = {
    "shops.api.client.rest": "REST calls have a limit of their own, which is part of what the client promises",
}
SAID_BY_OTHERS = {"Condition.DAMAGED": "a WMS says it, and it is what is not SELLABLE"}


@cache
def _trees() -> dict[str, ast.Module]:
    """The syntax tree of each module of the application, by its dotted name."""
    return {_dotted(file): ast.parse(file.read_text()) for file in sources(*APPS)}


def _dotted(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _templates() -> list[Path]:
    return [file for folder in ("templates", *APPS) for file in sorted((ROOT / folder).rglob("*.html"))]


@cache
def _text() -> str:
    """All that may name something by its dotted path: code, templates and what starts the processes."""
    deployed = [*ROOT.glob("*.toml"), *ROOT.glob("*.yml"), ROOT / "Dockerfile"]
    return "\n".join(file.read_text() for file in [*sources(*APPS), *deployed, *_templates()])


def _declared(tree: ast.Module) -> Iterator[str]:
    """The names that a module defines by itself. What is decorated is handed to somebody by that."""
    for statement in tree.body:
        match statement:
            case ast.FunctionDef(decorator_list=[]) | ast.ClassDef(decorator_list=[]):
                yield statement.name
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name


def _used() -> set[str]:
    """The dotted names that the application uses; what a package only hands on is used where it is imported from it."""
    used: set[str] = set()
    handed_on: dict[str, str] = {}
    for module, tree in _trees().items():
        imported = {
            alias.asname or alias.name: f"{node.module}.{alias.name}"
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        if (ROOT / module.replace(".", "/") / "__init__.py").exists():
            handed_on |= {f"{module}.{name}": origin for name, origin in imported.items()}
        else:
            used.update(imported.values())
        used.update(_named(module, tree, imported))
    for _ in range(3):  # packages in packages
        used.update(origin for name, origin in handed_on.items() if name in used)
    return used


def _named(module: str, tree: ast.Module, imported: dict[str, str]) -> Iterator[str]:
    """What the code of a module names, without what a definition says of itself."""
    for statement in tree.body:
        own = getattr(statement, "name", None)
        for node in ast.walk(statement):
            match node:
                case ast.Name(id=name, ctx=ast.Load()) if name != own:
                    yield imported.get(name, f"{module}.{name}")
                case ast.Attribute():
                    first, _, rest = ast.unparse(node).partition(".")
                    yield f"{imported.get(first, first)}.{rest}"


def _is_named_in_text(module: str, name: str) -> bool:
    """As "package.module.name", "package.module:name" or `import_module("package.module").name`."""
    return re.search(rf"{re.escape(module)}(\"\))?[.:]{re.escape(name)}\b", _text()) is not None


def test_the_application_uses_all_that_its_modules_define() -> None:
    used = _used()
    unused = {
        f"{module}.{name}"
        for module, tree in _trees().items()
        if not FOUND_BY_FRAMEWORKS.match(f"{module.replace('.', '/')}.py")
        for name in _declared(tree)
        if name != "__all__" and f"{module}.{name}" not in used and not _is_named_in_text(module, name)
    }
    assert unused == set(KEPT)


def test_the_application_uses_each_member_of_an_enumeration() -> None:
    unused = {
        f"{kind.name}.{name}"
        for tree in _trees().values()
        for kind in ast.walk(tree)
        if isinstance(kind, ast.ClassDef)
        and re.search(r"Enum|Choices", " ".join(map(ast.unparse, kind.bases)))
        for name in _declared(ast.Module(kind.body, []))
        if name.isupper() and not re.search(rf"\b({kind.name}|self|cls)\.{name}\b", _text())
    }
    assert unused == set(SAID_BY_OTHERS)


def _without_framework(kinds: list[ast.ClassDef]) -> list[ast.ClassDef]:
    """The classes that inherit from nobody else's, so that nobody else calls their methods."""
    bases = {kind.name: {ast.unparse(base).split("[")[0] for base in kind.bases} for kind in kinds}
    ours = {"Protocol", "Exception", "Generic"}
    while more := {name for name, its in bases.items() if its <= ours} - ours:
        ours |= more
    return [kind for kind in kinds if kind.name in ours]


def test_the_application_uses_each_method_that_no_framework_calls() -> None:
    nodes = [node for tree in _trees().values() for node in ast.walk(tree)]
    words = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    for template in _templates():
        words.update(re.findall(r"\w+", template.read_text()))
    unused = [
        f"{kind.name}.{method.name}"
        for kind in _without_framework([node for node in nodes if isinstance(node, ast.ClassDef)])
        for method in kind.body
        if isinstance(method, ast.FunctionDef) and not method.name.startswith("__")
        if method.name not in words
    ]
    assert unused == []
