"""Starts a throw-away Postgres and sets Django up on it. `bench.tables.measuring` does the rest."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from contextlib import ExitStack
from pathlib import Path

import django

from wmsbridge.embedded.places import free_port, home_for, known_secrets
from wmsbridge.embedded.postgres import serving_postgres
from wmsbridge.embedded.processes import sigterm_as_exit

SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "16GB",
    "shared_buffers": "1GB",
    "maintenance_work_mem": "1GB",
    # A measurement runs VACUUM itself; no other one must disturb it.
    "autovacuum": "off",
}


def main() -> int:
    """Fill the tables, measure, and report. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.tables")
    parser.add_argument(
        "--rows",
        type=int,
        default=10_000_000,
        help="number of jobs; the sizes of the other tables follow from it",
    )
    parser.add_argument(
        "--changes", type=int, default=1_000_000, help="changes of jobs before a claim without VACUUM"
    )
    parser.add_argument("--report", type=Path, help="write the report to this file too, as Markdown")
    given = parser.parse_args()
    with ExitStack() as stack:
        stack.enter_context(sigterm_as_exit())
        home = home_for(None, stack)
        secrets, port = known_secrets(home), free_port()
        settings = {"port": str(port), **SETTINGS}
        url = stack.enter_context(serving_postgres(home, secrets["postgres_password"], settings))
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "wmsbridge.settings",
            "DATABASE_URL": url,
            "REDIS_URL": f"unix://{home}/there-is-none",
            "SECRET_KEY": secrets["secret_key"],
            "FIELD_ENCRYPTION_KEYS": secrets["field_encryption_key"],
            "ALLOWED_HOSTS": "testserver",
            "STATIC_FROM_SOURCE": "1",
            "DB_STATEMENT_TIMEOUT_MS": "0",
            "LOG_LEVEL": "ERROR",
        }
        django.setup()
        measuring = importlib.import_module("bench.tables.measuring")
        good: bool = measuring.measure(given.rows, changes=given.changes, report=given.report)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
