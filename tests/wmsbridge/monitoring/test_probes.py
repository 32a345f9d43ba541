"""/healthz, /readyz, /metrics and the other addresses of the project itself."""

from __future__ import annotations

import json
from typing import Any

import pytest
import redis as redis_client
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from ops import redis
from ops.models import Lane
from ops.queue.queues import Queue
from tests.builders import make_dead_letter, make_job
from wmsbridge.monitoring import readiness, workers

WORKER = "wmsbridge:worker:one@host"


@pytest.fixture
def fleet(redis_server: redis_client.Redis) -> redis_client.Redis:
    """A worker for every queue, and beat."""
    redis_server.set(WORKER, json.dumps(list(Queue)))
    workers.note_tick()
    return redis_server


def samples(client: Client, **headers: str) -> dict[str, float]:
    text = client.get("/metrics", headers=headers).content.decode()
    return {
        sample.name + "".join(f"|{value}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_healthz_asks_nobody(client: Client, django_assert_num_queries: Any) -> None:
    assert client.get("/healthz").status_code == 200


@pytest.mark.django_db
def test_ready_with_database_redis_workers_and_beat(client: Client, fleet: Any) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "reasons": {}})


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/readyz", "/metrics"])
def test_who_asks_again_at_once_costs_the_database_nothing(
    client: Client, settings: Any, address: str, django_assert_num_queries: Any
) -> None:
    settings.PROBES_KEPT_SECONDS = 60
    first = client.get(address)
    with django_assert_num_queries(0):
        again = client.get(address)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    cache.clear()


@pytest.mark.django_db
def test_not_ready_names_the_queues_without_a_worker(client: Client, fleet: redis_client.Redis) -> None:
    fleet.set(WORKER, json.dumps([queue for queue in Queue if queue != "submission"]))
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == {"workers": "none seen for submission in the last 35 s"}


@pytest.mark.django_db
def test_not_ready_without_beat(client: Client, fleet: redis_client.Redis) -> None:
    fleet.delete("wmsbridge:tick")
    assert list(client.get("/readyz").json()["reasons"]) == ["scheduler"]


@pytest.mark.django_db
def test_not_ready_without_redis(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def dead() -> redis_client.Redis:
        raise redis.RedisError("gone")

    monkeypatch.setattr(redis, "client", dead)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert list(answer.json()["reasons"]) == ["redis"]


def test_not_ready_without_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def dead() -> bool:
        raise DatabaseError("gone")

    monkeypatch.setattr(connection, "cursor", dead)
    assert readiness.reasons()["database"].startswith("does not answer")


@pytest.mark.django_db
def test_metrics_show_the_six_lanes_and_circuits(client: Client) -> None:
    make_dead_letter()
    make_job()
    Lane.objects.filter(name="wms:north").update(circuit="open", open_until="2030-01-01T00:00Z")
    found = samples(client)
    assert found["wmsbridge_dead_letter_depth_jobs"] == 1
    assert found["wmsbridge_health_crossed|dead_letter_depth"] == 1
    assert found["wmsbridge_health_crossed|stock_sync_lag"] == 0
    assert found["wmsbridge_jobs|wms:north|due"] == 1
    assert found["wmsbridge_jobs|wms:north|dead"] == 1
    assert found["wmsbridge_circuit_open|wms:north"] == 1
    assert found["wmsbridge_order_submission_lag_seconds"] == 0


@pytest.mark.django_db
def test_metrics_take_ten_statements_however_many_lanes(
    client: Client, django_assert_num_queries: Any
) -> None:
    for number in range(250):
        make_job(lane=f"shop:{number}.myshopify.com")
    with django_assert_num_queries(10):
        found = samples(client)
    assert found["wmsbridge_jobs|other|due"] == 50
    assert sum(name.startswith("wmsbridge_jobs|") for name in found) <= 201 * 5


@pytest.mark.django_db
def test_metrics_with_a_token_answer_to_it_and_to_staff_only(
    client: Client, admin_client: Client, settings: Any
) -> None:
    settings.METRICS_TOKEN = "scrape-me"
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer scrape-me"}).status_code == 200
    assert admin_client.get("/metrics").status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/healthz", "/readyz", "/metrics"])
def test_probes_are_for_reading(client: Client, address: str) -> None:
    assert client.post(address).status_code == 405


@pytest.mark.django_db
def test_the_schema_describes_both_receivers(admin_client: Client) -> None:
    text = admin_client.get("/api/schema/").content.decode()
    assert "/webhooks/shopify/" in text
    assert "/webhooks/wms/{slug}/" in text
