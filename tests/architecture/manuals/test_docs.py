"""The manuals keep up with the code: what the code has, they name; what they name, there is."""

from __future__ import annotations

import re
from pathlib import Path
from pkgutil import resolve_name

import pytest
from django.conf import settings
from django.core.management import get_commands

from fulfillment.models import states
from ops.queue.queues import Queue
from tests.architecture.layers import APPS, ROOT, sources
from wms.adapters import ADAPTERS
from wms.adapters.base import Capability
from wms.vocabulary.statuses import WmsStatus
from wmsbridge import health
from wmsbridge.celery import app
from wmsbridge.configuration import config_file
from wmsbridge.schedules.defaults import SCHEDULES

PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
OPERATIONS = ROOT / "docs/operations.md"
CONFIGURATION = ROOT / "docs/configuration.md"
ARCHITECTURE = ROOT / "docs/architecture.md"
GLOSSARY = ROOT / "docs/glossary.md"

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def _named(page: Path) -> set[str]:
    """What a page sets in code style, cut into words."""
    return {
        word for code in re.findall(r"`([^`\n]+)`", page.read_text()) for word in re.split(r"[\s,…]+", code)
    }


def _variables_of(path: str, pattern: str) -> set[str]:
    found = set(re.findall(pattern, (ROOT / path).read_text()))
    assert found
    return found


def test_every_variable_of_the_settings_is_documented() -> None:
    read = _variables_of("wmsbridge/settings.py", r"\benv\.\w+\(\s*\"([A-Z_]+)\"")
    assert read - _named(CONFIGURATION) == set()


def test_every_variable_of_the_compose_file_is_documented() -> None:
    read = _variables_of("docker-compose.yml", r"\$\{([A-Z_]+)")
    assert read - _named(CONFIGURATION) == set()


def test_every_documented_variable_is_read_somewhere() -> None:
    documented = set(re.findall(r"^\| `([A-Z_]+)`", CONFIGURATION.read_text(), re.MULTILINE))
    code = "".join(file.read_text() for file in sources(*APPS)) + (ROOT / "docker-compose.yml").read_text()
    code += (ROOT / "tests/conftest.py").read_text()
    assert documented
    assert {name for name in documented if not re.search(rf"\b{name}\b", code)} == set()


def test_every_key_of_the_configuration_file_is_documented() -> None:
    tables = (config_file.ShopTable, config_file.ConnectionTable, config_file.WarehouseTable)
    keys = {key for table in tables for key in table.model_fields}
    assert (keys | {str(each) for each in Capability} | ADAPTERS.keys()) - _named(CONFIGURATION) == set()


def test_every_command_is_documented_and_every_documented_one_exists() -> None:
    ours = {name for name, owner in get_commands().items() if owner.split(".")[0] in APPS}
    table = OPERATIONS.read_text().partition("## Commands")[2].partition("\n## ")[0]
    documented = set(re.findall(r"^\| `(\w+)", table, re.MULTILINE))
    assert documented == ours
    told = {name for page in PAGES for name in re.findall(r"manage\.py ([a-z_]+)", page.read_text())}
    assert told - set(get_commands()) == set()


def test_every_metric_is_documented_with_its_threshold() -> None:
    table = OPERATIONS.read_text().partition("## Metrics")[2]
    for metric in health.METRICS:
        row = re.search(rf"^\| `{metric.name}_{metric.unit}` .*$", table, re.MULTILINE)
        assert row, metric.name
        assert re.search(
            rf"\| {settings.HEALTH_THRESHOLDS[metric.name]:g}(?: s| %| intervals)?(?:, [^|]+)? \|", row[0]
        ), metric.name


def test_every_metric_is_defined_in_sentences_for_staff_and_in_the_manual() -> None:
    manual = OPERATIONS.read_text().partition("## Metrics")[2]
    for metric in health.METRICS:
        assert metric.definition.count(". ") >= 1, metric.name
        assert f"**{metric.label}.** " in manual, metric.name


def test_every_state_that_staff_see_is_explained() -> None:
    told = _named(OPERATIONS)
    assert {str(state) for state in states.OrderState} - told == set()


def test_the_architecture_names_job_kinds_queues_and_states_that_exist() -> None:
    app.loader.import_default_modules()
    known = {*app.tasks, *SCHEDULES, *Queue}
    prefixes = "fulfillment|inventory|skumap|shops|ops|wmsbridge"
    words = {word for page in PAGES for word in _named(page)}
    named = {word for word in words if re.fullmatch(rf"(?:{prefixes})\.(?!toml|csv)[a-z_]+", word)}
    modules = {word for word in named if _is_module(word)}
    assert named - modules - known == set()
    assert set(Queue) - _named(ARCHITECTURE) == set()
    assert "wms.unrecognised" in known
    assert WmsStatus.SUBMITTING in _named(ARCHITECTURE)


def _is_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").exists()


def _exists(name: str) -> bool:
    """Whether a dotted name leads to a module, or to something in one: a function, a class, a field, a member."""
    try:
        resolve_name(name)
    except (ImportError, AttributeError):
        owner, _, field = name.rpartition(".")
        return "." in owner and field in getattr(resolve_name(owner), "__dataclass_fields__", {})
    return True


def test_every_name_of_the_code_that_a_page_names_is_there() -> None:
    dotted = re.compile(rf"(?:{'|'.join(APPS)})(?:\.\w+){{2,}}")
    named = {(page.name, word) for page in PAGES for word in _named(page) if dotted.fullmatch(word)}
    assert {(page, name) for page, name in named if not _exists(name)} == set()
    assert named


def _glossary() -> dict[str, str]:
    """Entry -> what stands below it."""
    return dict(
        re.findall(r"^\*\*(.+?)\.\*\* (.+?)(?:\n\n|\Z)", GLOSSARY.read_text(), re.MULTILINE | re.DOTALL)
    )


def test_the_glossary_is_in_order_and_each_entry_is_in_the_code() -> None:
    entries = _glossary()
    assert list(entries) == sorted(entries, key=str.casefold)
    named = {entry: re.findall(r"`([\w.]+)`", text.partition("Code:")[2]) for entry, text in entries.items()}
    assert {entry for entry, names in named.items() if not names or not all(map(_exists, names))} == set()


def test_each_word_of_the_glossary_is_used_elsewhere() -> None:
    files = [*sources(*APPS), *(page for page in PAGES if page not in (GLOSSARY, ROOT / "CHANGELOG.md"))]
    text = " ".join(" ".join(file.read_text() for file in files).casefold().split())
    words = {entry: entry.partition(" (")[0].casefold() for entry in _glossary()}
    assert {entry for entry, word in words.items() if not re.search(rf"\b{word}", text)} == set()


def test_every_file_that_a_page_names_is_there() -> None:
    missing = []
    for page in PAGES:
        for word in _named(page):
            name = word.strip(":()")
            if (
                re.fullmatch(r"[\w./-]+/[\w.-]+\.(py|md|yml|toml|graphql)", name)
                and not (ROOT / name).exists()
            ):
                missing.append(f"{page.name}: {name}")
    assert missing == []


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in _LINK.findall(_FENCE.sub("", page.read_text())):
        assert "://" not in target, target
        path, _, anchor = target.partition("#")
        to = (page.parent / path).resolve() if path else page
        assert to.is_file(), target
        assert not anchor or anchor in _anchors(to), target


def test_every_decision_has_its_number_and_its_parts() -> None:
    pages = sorted((ROOT / "docs/decisions").glob("*.md"))
    for number, page in enumerate(pages, start=1):
        assert page.name.startswith(f"{number:04}-")
        assert page.read_text().startswith(f"# {number}. ")
        assert all(
            f"**{part}.**" in page.read_text() for part in ("Question", "Decision", "Why", "Refused", "Price")
        )


def test_the_example_of_the_readme_can_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    example = re.search(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert example
    for name in re.findall(r"env:([A-Z_]+)", example[1]):
        monkeypatch.setenv(name, "told-by-the-environment")
    assert (
        config_file.read_config(example[1].encode()).config.shops[0].client_secret
        == "told-by-the-environment"
    )
