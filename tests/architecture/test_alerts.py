"""An alert is declared once: its kind, its texts, who closes it and for which shop. The code and the manual agree."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

from ops.alerting.kinds import Closes
from tests.architecture.declared_alerts import closed, declared, opened, others, parsed, places
from tests.architecture.layers import APPS, ROOT, sources
from wmsbridge import health
from wmsbridge.alerts.health import METRICS

OPERATIONS = ROOT / "docs/operations.md"


OTHER_MEANINGS = {
    "fulfillment/models/states.py",
    "wmsbridge/health/mappings.py",
    "wmsbridge/monitoring/metrics.py",
}
"""Where the same word is the reason why an order is held, or a metric."""


def test_every_kind_is_declared_once_and_in_a_place_of_alerts() -> None:
    calls = [
        (file, node)
        for file in sources(*APPS)
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "AlertKind"
    ]
    assert {file for file, _ in calls} <= set(places())
    names = Counter(ast.unparse(node.args[0]) for _, node in calls)
    assert [name for name, count in names.items() if count > 1] == []
    assert len(declared()) > 60


def test_an_alert_is_opened_only_where_its_texts_stand() -> None:
    calls = list(opened())
    assert [call.place for call in calls if call.file not in places()] == []
    assert {kind.name for call in calls for kind in call.kinds} == set(declared())


def test_the_low_level_functions_are_called_by_the_kinds_and_by_the_console_only() -> None:
    callers = {
        str(file.relative_to(ROOT)): sorted(found)
        for file in sources(*APPS)
        if (found := set(re.findall(r"\b(raise_alert|close_alerts)\(", file.read_text())))
    }
    assert callers == {
        "ops/admin/alerts.py": ["close_alerts"],
        "ops/alerting/alerts.py": ["close_alerts", "raise_alert"],
        "ops/alerting/kinds.py": ["close_alerts", "raise_alert"],
    }


def _texts() -> dict[str, Path]:
    """The public functions that open an alert."""
    openers = {id(call.node) for call in opened()}
    return {
        function.name: file
        for file in places()
        for function in parsed(file).body
        if isinstance(function, ast.FunctionDef) and not function.name.startswith("_")
        if any(id(node) in openers for node in ast.walk(function))
    }


def test_every_text_of_an_alert_is_used() -> None:
    code = "\n".join(file.read_text() for file in others())
    texts = _texts()
    assert len(texts) > 50
    assert [name for name in texts if not re.search(rf"\b{name}\b", code)] == []


def test_the_code_closes_the_alerts_that_close_by_themselves_and_no_others() -> None:
    unreadable = [call.place for call in closed() if not call.kinds]
    assert unreadable == []
    by_code = {kind.name for call in closed() for kind in call.kinds}
    by_a_person = {name for name, kind in declared().items() if kind.closes == Closes.PERSON}
    assert by_code & by_a_person == set(), "declared as closed by a person, but closed by code"
    assert set(declared()) - by_code == by_a_person, "declared as closing by themselves, but never closed"


def test_every_alert_names_its_shop_unless_its_kind_says_why_not() -> None:
    """Order #1002 exists in every shop."""
    without = {kind.name for call in opened() for kind in call.kinds if call.may_pass_none("shop")}
    assert without == {name for name, kind in declared().items() if kind.of_no_shop}


def test_every_metric_has_its_alert_and_no_other() -> None:
    assert set(METRICS) == {metric.name for metric in health.METRICS}


def test_no_kind_is_named_by_a_bare_string() -> None:
    bare = set()
    for file in others():
        for node in ast.walk(_without_log_events(parsed(file))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                quoted = {node.value, *re.findall(r"'(\w+)'", node.value)}
                bare |= {(str(file.relative_to(ROOT)), kind) for kind in quoted & set(declared())}
    assert {each for each in bare if each[0] not in OTHER_MEANINGS} == set()


def _without_log_events(module: ast.Module) -> ast.Module:
    class WithoutLogEvents(ast.NodeTransformer):
        def visit_Call(self, node: ast.Call) -> ast.AST:
            return ast.Pass() if ast.unparse(node.func).startswith("logger.") else self.generic_visit(node)

    return WithoutLogEvents().visit(ast.parse(ast.unparse(module)))


def _in_the_manual() -> dict[str, str]:
    """Kind -> what the manual says about who closes it."""
    table = OPERATIONS.read_text().partition("## Every alert")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \| .* \| (.*?) \|$", table, re.MULTILINE)
    return {kind: closes for kinds, closes in rows for kind in re.findall(r"`(\w+)`", kinds)}


def test_every_alert_is_in_the_operators_manual_and_no_other() -> None:
    assert set(_in_the_manual()) == set(declared())


SAID = {
    Closes.ITSELF: r"itself(, .+)?",
    Closes.PERSON: r"a person",
    Closes.ITSELF_OR_PERSON: r"itself(, .+;|,) else a person",
}
"""How the manual says it: it may add when."""


def test_the_manual_says_who_closes_each_alert() -> None:
    manual = _in_the_manual()
    wrong = {
        name: manual[name]
        for name, kind in declared().items()
        if not re.fullmatch(SAID[kind.closes], manual[name])
        or (kind.closes == Closes.ITSELF and "else a person" in manual[name])
    }
    assert wrong == {}
