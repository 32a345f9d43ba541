"""Says in words why the application cannot do its work now."""

from __future__ import annotations

from functools import lru_cache

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from ops import redis
from ops.queue.queues import Queue
from wmsbridge.monitoring import workers


class _MigrationsMissing(Exception):
    """Migrations are missing. As an exception, this answer is not cached."""


def reasons() -> dict[str, str]:
    """What is wrong, by component: "database", "migrations", "redis", "workers", "scheduler". Empty if nothing is."""
    return {**_database(), **_workers_and_beat()}


def _database() -> dict[str, str]:
    """What is wrong with the database: it does not answer, or migrations are missing."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        _all_migrations_applied()
    except DatabaseError as error:
        return {"database": f"does not answer ({type(error).__name__})"}
    except _MigrationsMissing as error:
        return {"migrations": str(error)}
    return {}


@lru_cache(maxsize=1)
def _all_migrations_applied() -> bool:
    """Return True, which is cached: the migrations of the code do not change while it runs. Raises
    _MigrationsMissing."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        first, _ = plan[0]
        raise _MigrationsMissing(
            f"{len(plan)} not applied, first {first.app_label}.{first.name}: run manage.py migrate"
        )
    return True


def _workers_and_beat() -> dict[str, str]:
    """What is wrong with workers and beat: queues without a worker, no scheduled task lately, or no Redis to know
    it."""
    try:
        served = {queue for queues in workers.seen().values() for queue in queues}
        ticking = workers.ticking()
    except redis.RedisError as error:
        return {"redis": f"does not answer ({type(error).__name__}); whether workers live is not known"}
    found = {}
    if missing := [queue for queue in Queue if queue not in served]:
        found["workers"] = f"none seen for {', '.join(missing)} in the last {workers.MISSED_AFTER} s"
    if not ticking:
        found["scheduler"] = (
            f"no scheduled task ran in the last {workers.TICK_MISSED_AFTER} s: is beat running?"
        )
    return found
