"""The credentials of a connection: if the WMS refuses them, its work is parked until they are corrected."""

from __future__ import annotations

import hashlib

from ops import secrets
from ops.alerting.kinds import close_kinds
from ops.alerting.own_alerts import SECRET_UNREADABLE
from ops.errors import Blocked
from ops.net import targets
from ops.text.entered_text import is_token
from wms import alerts
from wms.models import Connection
from wms.refs import connection_key


class AccessRefused(Blocked):
    """The WMS refuses our credentials; work waits under the connection's park key until they are changed."""

    def __init__(self, connection: Connection, *, status: int) -> None:
        fingerprint = _fingerprint(connection)
        super().__init__(
            f"{connection.slug} refuses our credentials (HTTP {status})",
            on=[connection_key(connection.id)],
            recheck=lambda: _fingerprint(Connection.objects.get(id=connection.id)) == fingerprint,
        )


class CredentialsUnusable(Blocked):
    """The stored token cannot be read or sent, so no call was made; work waits until the token is changed."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(
            f"the stored token of {connection.slug} cannot be read, or holds a character that no header can",
            on=[connection_key(connection.id)],
            recheck=lambda: _usable_token(Connection.objects.get(id=connection.id)) is None,
        )


def credentials_changed(connection: Connection) -> None:
    """The connection was saved: close the alerts that its credentials were refused or could not be read."""
    close_kinds([SECRET_UNREADABLE, alerts.WMS_REFUSES_CREDENTIALS], connection.subject)


def is_moved(connection: Connection, *, to: str) -> bool:
    """Whether an address belongs to another system than the stored one, so that the token must be entered again."""
    return connection.origin != targets.origin(to)


def token_of(connection: Connection) -> str:
    """The token to call with. Where it cannot be read or sent, tells staff and raises CredentialsUnusable."""
    token = _usable_token(connection)
    if token is None:
        alerts.secret_unreadable(connection)
        raise CredentialsUnusable(connection)
    return token


def is_usable(connection: Connection) -> bool:
    """Whether all stored secrets can be read and the token can be sent."""
    return secrets.all_readable(connection) and _usable_token(connection) is not None


def _usable_token(connection: Connection) -> str | None:
    """Return the token if it can be read and sent in a header."""
    token = secrets.readable(connection, "token")
    return token if token is not None and is_token(token) else None


def _fingerprint(connection: Connection) -> str:
    """Return a hash that changes with the address or the token; it is never stored."""
    token = secrets.readable(connection, "token")
    return hashlib.sha256(f"{connection.base_url}\n{token}".encode()).hexdigest()
