from __future__ import annotations

import importlib
from collections.abc import Generator, Iterator
from typing import Any

import pytest
import redis

FIGURES: list[str] = []


@pytest.fixture(scope="package")
def stack(
    django_db_setup: None,
    django_db_blocker: Any,
    redis_server: redis.Redis,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Any]:
    """The whole product, running. Tests use orders of their own, and nothing is truncated."""
    secrets = importlib.import_module("tests.end_to_end.installation.world").secrets()
    running_stack = importlib.import_module("tests.end_to_end.installation.stack").running_stack
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch:
        for name, value in secrets.items():
            patch.setenv(name, value)
        redis_server.flushdb()
        with running_stack(tmp_path_factory.mktemp("end_to_end")) as stack:
            yield stack
            FIGURES.extend(stack.figures)


@pytest.fixture
def db() -> None:
    """The test database without a transaction: the processes must see what the tests write. pytest-django makes a
    database only when some test asks for `db`; see `empty_redis`."""


@pytest.fixture(autouse=True)
def empty_redis(db: None) -> None:
    """Not emptied between these tests: the processes work with it. Losing it is a test of its own."""


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """A failed test shows what the processes said last."""
    outcome = yield
    report, stack = outcome.get_result(), getattr(item, "funcargs", {}).get("stack")
    if report.failed and stack is not None and "end_to_end" in item.nodeid:
        report.sections.append(("the processes' logs", stack.programs.tails()))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What was measured."""
    for figure in FIGURES:
        terminalreporter.write_line(f"end to end: {figure}")
