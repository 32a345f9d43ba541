"""Real Postgres and real Valkey under every test: started before Django reads its settings, gone afterwards.

With TEST_DATABASE_URL and TEST_REDIS_URL set, those servers are used instead (the database's name gets the
prefix `test_`, the Redis database is flushed). Under pytest-xdist each worker has servers of its own, or a database of
its own on those.
"""

from __future__ import annotations

import importlib
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import django
import hypothesis
import pytest
import redis
import structlog
from cryptography.fernet import Fernet
from django.conf import settings

from wmsbridge import embedded

# A run can be repeated, and a slow machine is no failure. `make fuzz` is what looks for new cases.
hypothesis.settings.register_profile(
    "tests", derandomize=True, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("tests")

_RUNNING = ExitStack()


def _server_environment() -> dict[str, str]:
    if "TEST_DATABASE_URL" not in os.environ:
        return _RUNNING.enter_context(embedded.servers(None)).environment()
    return embedded.Servers(
        database_url=os.environ["TEST_DATABASE_URL"],
        redis_url=_redis_url(),
        secret_key=secrets.token_urlsafe(48),
        field_encryption_key=Fernet.generate_key().decode(),
    ).environment()


def _redis_url() -> str:
    url, worker = os.environ["TEST_REDIS_URL"], os.environ.get("PYTEST_XDIST_WORKER")
    return urlsplit(url)._replace(path=f"/{worker.removeprefix('gw')}").geturl() if worker else url


# Before pytest-django's own hook, which does nothing as long as the settings are not configured.
@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("numprocesses", None) and "PYTEST_XDIST_WORKER" not in os.environ:
        # This process only hands out the tests. The workers read the settings once they have servers.
        os.environ.pop("DJANGO_SETTINGS_MODULE", None)
        return
    os.environ.update(_server_environment())
    os.environ.update(
        {
            "DJANGO_SETTINGS_MODULE": "wmsbridge.settings",
            "DEBUG": "0",
            "ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
            "ALLOW_PRIVATE_TARGETS": "127.0.0.0/8,wms.test",
            "SHOPIFY_ADMIN_URL": "https://{domain}",
            "PUBLIC_URL": "https://bridge.example.com",
            "EMAIL_URL": "memorymail://",
            "ALERT_EMAILS": "ops@example.com",
            "ALERT_URLS": "",
            "PROBES_KEPT_SECONDS": "0",
            "LOG_LEVEL": "WARNING",
            "LOG_FORMAT": "console",
        }
    )
    django.setup()
    # A logger that was used before would not be captured: a test must not depend on those before it.
    structlog.configure(cache_logger_on_first_use=False)
    # The real one takes half a second for every user of a test, by design.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    _RUNNING.close()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[redis.Redis]:
    """A connection of the tests' own to Valkey, apart from the application's."""
    with redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True) as connection:
        yield connection


@pytest.fixture(autouse=True)
def empty_redis(redis_server: redis.Redis) -> None:
    """Every test starts with an empty Valkey."""
    redis_server.flushdb()


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process remembers between calls, forgotten."""
    monkeypatch.setattr("shops.api.client._warned", set())
    monkeypatch.setattr("shops.budget.rate_budget._local_buckets", {})
    monkeypatch.setattr("ops.redis._quiet_until", 0.0)
    monkeypatch.setattr("ops.doors.senders._KEPT", {})


@pytest.fixture(scope="session")
def sandbox_servers() -> Iterator[Any]:
    """One sandbox process for the whole run."""
    with importlib.import_module("tests.world").sandbox_process() as sandbox:
        yield sandbox


@pytest.fixture
def scene(sandbox_servers: Any, settings: Any, db: None) -> Iterator[Any]:
    """A shop with two warehouses at two WMSs, at both ends of the wire; see tests.fulfillment.scene."""
    sandbox_servers.reset()
    settings.SHOPIFY_ADMIN_URL = sandbox_servers.shopify.root + "/{domain}"
    module = importlib.import_module("tests.fulfillment.scene")
    yield module.Scene(sandbox_servers)
    sandbox_servers.reset()
