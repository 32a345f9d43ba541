"""Why the application cannot do its work right now, in words; nothing when it can."""

from __future__ import annotations

from functools import lru_cache

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from ops import redis
from ops.queue.queues import Queue
from wmsbridge.monitoring import workers


class _Behind(Exception):
    """Migrations are missing; not remembered, unlike a complete answer."""


def reasons() -> dict[str, str]:
    """Component -> what is wrong with it: "database", "migrations", "redis", "workers", "scheduler"."""
    return {**_database(), **_fleet()}


def _database() -> dict[str, str]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        _all_migrations_applied()
    except DatabaseError as error:
        return {"database": f"does not answer ({type(error).__name__})"}
    except _Behind as error:
        return {"migrations": str(error)}
    return {}


@lru_cache(maxsize=1)
def _all_migrations_applied() -> bool:
    """True, asked once per process: the code's migrations do not change under it. Raises _Behind."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        first, _ = plan[0]
        raise _Behind(f"{len(plan)} not applied, first {first.app_label}.{first.name}: run manage.py migrate")
    return True


def _fleet() -> dict[str, str]:
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
