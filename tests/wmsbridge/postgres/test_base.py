"""An idle connection to the database is looked at before it is used again, and costs no statement."""

from __future__ import annotations

import psycopg
import pytest
from django.db import close_old_connections, connection
from django.test.utils import CaptureQueriesContext

pytestmark = pytest.mark.django_db(transaction=True)


def backend() -> int:
    """The server process of our connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def another_session_says(statement: str, *values: object) -> None:
    settings = connection.get_connection_params()
    chosen = {
        name: settings[name] for name in ("dbname", "user", "password", "host", "port") if name in settings
    }
    with psycopg.connect(**chosen, autocommit=True) as other:
        other.execute(statement, values)


def test_a_request_after_another_uses_the_connection_without_asking_the_server() -> None:
    before = backend()
    close_old_connections()
    with CaptureQueriesContext(connection) as queries:
        assert backend() == before
    assert len(queries) == 1


def test_a_connection_that_the_server_ended_is_replaced_before_it_is_used() -> None:
    before = backend()
    another_session_says("SELECT pg_terminate_backend(%s, 5000)", before)
    close_old_connections()
    assert backend() != before


def test_a_connection_to_which_the_server_only_said_something_is_kept() -> None:
    before = backend()
    with connection.cursor() as cursor:
        cursor.execute("LISTEN news")
    another_session_says("NOTIFY news")
    close_old_connections()
    assert backend() == before


def test_a_statement_that_is_made_again_stays_prepared_whatever_its_values() -> None:
    for number in range(4):
        with connection.cursor() as cursor:
            cursor.execute("SELECT %s::text AS told_apart", [f"value {number}"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%AS told_apart'")
        assert cursor.fetchone() == (1,)
