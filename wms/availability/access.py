"""The credentials of a connection: if the WMS refuses them, its work is parked until they are corrected."""

from __future__ import annotations

from ops import secrets
from ops.alerting.kinds import close_kinds
from ops.alerting.own_alerts import SECRET_UNREADABLE
from ops.errors import AccessRefused, CredentialsUnusable
from ops.net import targets
from ops.text.entered_text import is_token
from wms import alerts
from wms.models import Connection
from wms.refs import connection_key

CREDENTIALS = ("base_url", "token")
"""The fields of a connection that decide whether the WMS lets us in."""


def refused(connection: Connection, *, status: int) -> AccessRefused:
    """Return the error for work of a connection whose WMS refuses our credentials."""
    return AccessRefused(
        f"{connection.slug} refuses our credentials (HTTP {status})",
        on=[connection_key(connection.id)],
        recheck=secrets.unchanged(connection, *CREDENTIALS),
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
        raise _unusable(connection)
    return token


def _unusable(connection: Connection) -> CredentialsUnusable:
    """Return the error for work of a connection whose stored token cannot be read or sent."""
    return CredentialsUnusable(
        f"the stored token of {connection.slug} cannot be read, or holds a character that no header can",
        on=[connection_key(connection.id)],
        recheck=secrets.unchanged(connection, *CREDENTIALS),
    )


def is_usable(connection: Connection) -> bool:
    """Whether all stored secrets can be read and the token can be sent."""
    return secrets.all_readable(connection) and _usable_token(connection) is not None


def _usable_token(connection: Connection) -> str | None:
    """Return the token if it can be read and sent in a header."""
    token = secrets.readable(connection, "token")
    return token if token is not None and is_token(token) else None
