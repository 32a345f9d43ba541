"""What a run leaves behind for those who look for the cause of a failure: both books and every table."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
from psycopg import sql

from tests.end_to_end.installation.stack import Stack

TABLES = (
    "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
    " AND table_name !~ '^(django|auth)_' ORDER BY table_name"
)


def save_post_mortem(stack: Stack, url: str, folder: Path) -> None:
    """Writes `shopify.json`, `wms.json` and one CSV file per table."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "shopify.json").write_text(json.dumps(stack.shopify.get("/books"), indent=1))
    (folder / "wms.json").write_text(json.dumps(stack.wms.get("/books"), indent=1))
    with psycopg.connect(url) as connection:
        for (table,) in connection.execute(TABLES).fetchall():
            statement = sql.SQL("COPY {} TO STDOUT (FORMAT csv, HEADER)").format(sql.Identifier(table))
            with connection.cursor().copy(statement) as rows:
                (folder / f"{table}.csv").write_bytes(b"".join(rows))
