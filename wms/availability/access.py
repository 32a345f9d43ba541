"""Whether a WMS lets us in: refused credentials park its work, and correcting them lets it go on."""

from __future__ import annotations

import hashlib

from django.db import transaction

from ops import secrets
from ops.alerting.alerts import close_alert, raise_alert
from ops.errors import Blocked
from ops.models import Severity
from ops.net import targets
from ops.secrets import UNREADABLE
from ops.text.entered_text import is_token
from wms.models import Connection

REFUSED = "wms_refuses_credentials"


class AccessRefused(Blocked):
    """The WMS refuses our credentials: work waits under the connection's key until they are changed."""

    def __init__(self, connection: Connection, *, status: int) -> None:
        fingerprint = _fingerprint(connection)
        super().__init__(
            f"{connection.slug} refuses our credentials (HTTP {status})",
            on=[key(connection.id)],
            recheck=lambda: _fingerprint(Connection.objects.get(id=connection.id)) == fingerprint,
        )


class CredentialsUnusable(Blocked):
    """The stored token cannot be read or sent, so the WMS was not asked: work waits until it is changed."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(
            f"the stored token of {connection.slug} cannot be read, or holds a character that no header can",
            on=[key(connection.id)],
            recheck=lambda: _usable_token(Connection.objects.get(id=connection.id)) is None,
        )


def key(connection_id: int) -> str:
    """The key under which work for this connection waits."""
    return f"connection:{connection_id}"


def record_refused(connection: Connection, *, status: int) -> None:
    """Raise the alert that the WMS refuses our credentials."""
    with transaction.atomic():
        raise_alert(
            REFUSED,
            subject=connection.lane,
            severity=Severity.CRITICAL,
            title=f"{connection.slug} refuses our credentials (HTTP {status})",
            meaning="Nothing can be placed, cancelled or read there; its work waits and nothing is lost.",
            action="Correct the token of the connection in the admin. Waiting work goes on by itself.",
        )


def credentials_changed(connection: Connection) -> bool:
    """The connection was saved: the refusal is in the past. Closes its alert; False when there was none."""
    close_alert(UNREADABLE, subject=connection.lane)
    return close_alert(REFUSED, subject=connection.lane)


def is_moved(connection: Connection, *, to: str) -> bool:
    """Whether an address means another system than the stored one: the token must then be given again."""
    return connection.origin != targets.origin(to)


def token_of(connection: Connection) -> str:
    """The token to call with. Where it cannot be read or sent, tells staff and raises CredentialsUnusable."""
    token = _usable_token(connection)
    if token is None:
        with transaction.atomic():
            secret_unreadable(connection)
        raise CredentialsUnusable(connection)
    return token


def is_usable(connection: Connection) -> bool:
    """Whether all that is stored can be read, and the token sent."""
    return secrets.all_readable(connection) and _usable_token(connection) is not None


def _usable_token(connection: Connection) -> str | None:
    token = secrets.readable(connection, "token")
    return token if token is not None and is_token(token) else None


def secret_unreadable(connection: Connection) -> None:
    """Raise the alert that a stored secret of the connection cannot be read."""
    raise_alert(
        UNREADABLE,
        subject=connection.lane,
        severity=Severity.CRITICAL,
        title=f"A stored secret of {connection.slug} cannot be read",
        meaning="It was encrypted with a key that FIELD_ENCRYPTION_KEYS does not hold, belongs to another row or "
        "address, or is a token with a character that cannot be sent. Calls to this WMS wait; where it is a callback "
        "secret, callbacks are answered 503. Everybody else's work goes on.",
        action="Put the old key back behind the current one, or enter the token and the callback secret of the "
        "connection anew in the admin. Waiting work goes on by itself.",
    )


def _fingerprint(connection: Connection) -> str:
    token = secrets.readable(connection, "token")
    return hashlib.sha256(f"{connection.base_url}\n{token}".encode()).hexdigest()
