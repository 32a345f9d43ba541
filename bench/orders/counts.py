"""What the product asked of Postgres, Valkey, Shopify and the WMSs, read from their own counters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis

from tests.world import Sandbox

POSTGRES_SETTINGS = {
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.max": "10000",
    "pg_stat_statements.track": "top",
    "pg_stat_statements.track_utility": "on",
}
"""With `top`, the checks of foreign keys that Postgres makes by itself are not counted: they are no round trips."""

STATEMENTS = "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements WHERE query NOT LIKE '%pg_stat_%'"
TRANSACTIONS = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
JOBS = "SELECT count(*) FROM ops_job"
WAITING = (
    "SELECT count(*) FROM ops_job"
    " WHERE state = 'running' OR state = 'ready' AND run_at < now() + interval '20 seconds' AND parked_on = '{}'"
)


@dataclass(frozen=True)
class Counters:
    """Reads every counter. `database_url` and `redis_url` are those of the product, and
    `logs` is the folder of its logs.
    """

    database_url: str
    redis_url: str
    sandbox: Sandbox
    logs: Path

    def read(self) -> Counter[str]:
        """Returns all counters; the difference of two readings is what happened between them."""
        return Counter(
            {
                **self._of_postgres(),
                **self._of_valkey(),
                **self._of_shopify(),
                **self._of_wms(),
                **self._of_logs(),
            }
        )

    def waiting_jobs(self) -> int:
        """Returns how many jobs run, or are due within twenty seconds."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return _number(connection, WAITING)

    def prepare(self) -> None:
        """Makes Postgres count statements."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")

    def _of_postgres(self) -> Mapping[str, int]:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return {
                "SQL statements": _number(connection, STATEMENTS),
                "transactions": _number(connection, TRANSACTIONS),
                "jobs": _number(connection, JOBS),
            }

    def _of_valkey(self) -> Mapping[str, int]:
        with redis.Redis.from_url(self.redis_url) as connection:
            stats = connection.info("commandstats")
        return {
            # Celery puts each message into the list of its queue with one LPUSH.
            "Celery messages": stats.get("cmdstat_lpush", {}).get("calls", 0),
            "Valkey commands": sum(each["calls"] for each in stats.values()),
        }

    def _of_shopify(self) -> Mapping[str, int]:
        shops = self.sandbox.shopify.get("/books")["shops"].values()
        return {
            "Shopify calls": sum(sum(shop["requests"].values()) for shop in shops),
            "Shopify points": round(sum(shop["charged"] for shop in shops)),
            "webhooks": sum(self.sandbox.shopify.get("/counts")["delivered"].values()),
        }

    def _of_wms(self) -> Mapping[str, int]:
        connections = self.sandbox.wms.get("/books")["connections"].values()
        return {
            "WMS calls": sum(sum(each["requests"].values()) for each in connections),
            "callbacks": sum(self.sandbox.wms.get("/counts")["delivered"].values()),
        }

    def _of_logs(self) -> Mapping[str, int]:
        lines = (line for log in self.logs.glob("*.log") for line in log.open(errors="replace"))
        return {"job runs": sum('"job_run"' in line for line in lines)}


def _number(connection: psycopg.Connection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
