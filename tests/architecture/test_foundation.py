"""The files around the code keep their word: locks, make targets, containers, the beat table."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
import yaml

from ops.queue.queues import Queue
from tests.architecture.layers import APPS, ROOT
from wmsbridge.celery import app
from wmsbridge.schedules.defaults import SCHEDULES
from wmsbridge.web import command

LOCKS = ["requirements.txt", "requirements-dev.txt", "requirements-bootstrap.txt"]


def _locked(name: str) -> dict[str, str]:
    """Requirement -> the rest of its entry (version, marker, hashes) in a lock."""
    entries = re.split(r"\n(?=[A-Za-z0-9])", (ROOT / name).read_text().replace("\\\n", " "))
    return {re.split(r"[=\[ ]", entry, maxsplit=1)[0]: entry for entry in entries}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_pinned_with_hashes_and_names_no_host(lock: str) -> None:
    for requirement, entry in _locked(lock).items():
        assert re.search(r"==\S+.*--hash=sha256:[0-9a-f]{64}", entry, re.DOTALL), requirement
    assert "://" not in (ROOT / lock).read_text()
    assert "index-url" not in (ROOT / lock).read_text()


def test_the_run_time_lock_is_part_of_the_developers_lock() -> None:
    run_time, dev = _locked("requirements.txt"), _locked("requirements-dev.txt")
    versions = {name: entry.split()[0] for name, entry in run_time.items()}
    assert {name: dev[name].split()[0] for name in run_time} == versions


def test_ci_runs_the_command_that_the_readme_tells_a_stranger() -> None:
    commands = [line for line in (ROOT / ".ci/run").read_text().splitlines() if line.startswith("make ")]
    readme = (ROOT / "README.md").read_text()
    assert commands == ["make test"]
    assert "make test" in readme
    assert "make demo" in readme
    targets = set(re.findall(r"^([a-z.]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake (?!sure|it)([a-z]+)\b", "\n".join(_code_blocks(readme)))) <= targets


def _code_blocks(markdown: str) -> list[str]:
    return re.findall(r"```.*?```|^ {4}.*$|`[^`\n]+`", markdown, re.DOTALL | re.MULTILINE)


def test_compose_serves_every_queue_with_exactly_one_kind_of_worker() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    commands = [service.get("command", []) for service in compose["services"].values()]
    served = [
        queue
        for command in commands
        if "--queues" in command
        for queue in command[command.index("--queues") + 1].split(",")
    ]
    assert sorted(served) == sorted(Queue)


def test_the_small_profile_is_the_same_web_server_and_one_worker_that_does_everything() -> None:
    changed = yaml.safe_load((ROOT / "docker-compose.small.yml").read_text())["services"]
    web, worker = changed.pop("web")["command"], changed.pop("worker")["command"]
    assert web == ["granian", *command.arguments(host="0.0.0.0", port=8000, workers=1)]  # noqa: S104
    assert sorted(worker[worker.index("--queues") + 1].split(",")) == sorted(Queue)
    assert "--beat" in worker
    everything = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    others = {name for name, service in everything.items() if "celery" in service.get("command", [])}
    assert set(changed) == others - {"worker"}
    assert all(service == {"profiles": ["apart"]} for service in changed.values())


def test_every_service_but_the_one_shot_has_a_health_check_and_is_not_privileged() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert {name for name, service in services.items() if "healthcheck" not in service} == {"migrate"}
    ours = [service for service in services.values() if service["image"] == "wmsbridge"]
    assert all(service["cap_drop"] == ["ALL"] and service["read_only"] for service in ours)
    assert "\nUSER 10001\n" in (ROOT / "Dockerfile").read_text()


def test_redis_asks_for_a_password_that_no_command_line_shows() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert "redis://:${REDIS_PASSWORD:?" in services["web"]["environment"]["REDIS_URL"]
    assert "requirepass" in services["redis"]["command"][-1]
    assert "REDIS_PASSWORD" not in " ".join(
        [*services["redis"]["command"], *services["redis"]["healthcheck"]["test"]]
    )


def test_the_image_holds_every_app_and_not_the_sandbox() -> None:
    admitted = {
        line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"
    }
    assert admitted == {*APPS, "manage.py", "requirements.txt", "templates"}


def test_a_message_reaches_exactly_the_queue_it_is_sent_to() -> None:
    routes = {(queue.exchange.name, queue.routing_key) for queue in app.conf.task_queues}
    assert routes == {(name, name) for name in Queue}


def test_every_tick_of_the_beat_table_has_a_task() -> None:
    app.loader.import_default_modules()
    assert set(SCHEDULES) - set(app.tasks) == set()


def _settings_refusal(**changes: str | None) -> str:
    environment = {**os.environ, **{name: value for name, value in changes.items() if value is not None}}
    for name in (name for name, value in changes.items() if value is None):
        environment.pop(name)
    command = [sys.executable, "-c", "import wmsbridge.settings"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("name", ["SECRET_KEY", "FIELD_ENCRYPTION_KEYS", "DATABASE_URL", "REDIS_URL"])
def test_the_settings_refuse_to_start_without(name: str) -> None:
    refusal = _settings_refusal(**{name: None})
    assert "ImproperlyConfigured" in refusal
    assert name in refusal


@pytest.mark.parametrize(
    ("name", "nonsense"),
    [
        ("SECRET_KEY", "short"),
        ("FIELD_ENCRYPTION_KEYS", "not-a-fernet-key"),
        ("DATABASE_URL", "sqlite:///db.sqlite3"),
        ("REDIS_URL", "amqp://broker"),
    ],
)
def test_the_settings_refuse_nonsense_in(name: str, nonsense: str) -> None:
    refusal = _settings_refusal(**{name: nonsense})
    assert name in refusal
    assert nonsense not in refusal


def test_the_image_starts_the_web_server_that_the_tests_start() -> None:
    words = re.search(r"^CMD (\[.*\])", (ROOT / "Dockerfile").read_text().replace("\\\n", ""), re.MULTILINE)
    assert words is not None
    assert json.loads(words[1]) == ["granian", *command.arguments(host="0.0.0.0", port=8000, workers=2)]  # noqa: S104
