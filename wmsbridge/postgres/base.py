"""Looks for the end of an idle connection at its socket. Django imports this module by its name, see settings."""

from __future__ import annotations

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that asks the server whether it lives only if the server has sent something unasked.

    With CONN_HEALTH_CHECKS Django sends `SELECT 1` before the first statement of each request and each task. But a
    server that ends a connection says so: an idle connection whose socket has nothing to read was not ended.
    """

    def close_if_health_check_failed(self) -> None:
        """As Django's, but silence is health."""
        if self.connection is None or not _is_silent(self.connection.fileno()):
            super().close_if_health_check_failed()


def _is_silent(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return not poll.poll(0)
