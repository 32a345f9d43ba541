"""Connections that are kept for long. Django imports this module by its name, see settings."""

from __future__ import annotations

import select
from typing import Any

from django.db.backends.postgresql import base

PREPARED_MOST = 400
"""Statements that stay prepared on a connection (psycopg: 100). A worker's thread makes some 200 different ones; if
they pushed each other out, each would cost one more statement."""


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that asks the server whether it lives only if the server has sent something unasked.

    With CONN_HEALTH_CHECKS Django sends `SELECT 1` before the first statement of each request and each task. But a
    server that ends a connection says so: an idle connection whose socket has nothing to read was not ended.
    """

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """As Django's, with room for all our statements."""
        connection = super().get_new_connection(conn_params)
        connection.prepared_max = PREPARED_MOST
        return connection

    def close_if_health_check_failed(self) -> None:
        """As Django's, but silence is health."""
        if self.connection is None or not _is_silent(self.connection.fileno()):
            super().close_if_health_check_failed()


def _is_silent(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return not poll.poll(0)
