"""Whether a WMS lets us in: refused credentials park its work, and correcting them lets it go on."""

from __future__ import annotations

import hashlib

from django.db import transaction

from ops.alerts import close_alert, raise_alert
from ops.errors import Blocked
from ops.models import Severity
from wms.models import Connection

REFUSED = "wms_refuses_credentials"


class AccessRefused(Blocked):
    """The WMS refuses our credentials: work waits under the connection's key until they are changed."""


def key(connection_id: int) -> str:
    """The key under which work for this connection waits."""
    return f"connection:{connection_id}"


def refused(connection: Connection, *, status: int) -> AccessRefused:
    """Raise the alert that the credentials are refused and return the error that parks the work.

    It stays parked while the stored token is the refused one.
    """
    with transaction.atomic():
        raise_alert(
            REFUSED,
            subject=connection.lane,
            severity=Severity.CRITICAL,
            title=f"{connection.slug} refuses our credentials (HTTP {status})",
            meaning="Nothing can be placed, cancelled or read there; its work waits and nothing is lost.",
            action="Correct the token of the connection in the admin. Waiting work goes on by itself.",
        )
    fingerprint = _fingerprint(connection)
    return AccessRefused(
        f"{connection.slug} refuses our credentials (HTTP {status})",
        on=[key(connection.id)],
        recheck=lambda: _fingerprint(Connection.objects.get(id=connection.id)) == fingerprint,
    )


def credentials_changed(connection: Connection) -> bool:
    """The connection was saved: the refusal is in the past. Closes its alert; False when there was none."""
    return close_alert(REFUSED, subject=connection.lane)


def _fingerprint(connection: Connection) -> str:
    return hashlib.sha256(f"{connection.base_url}\n{connection.token}".encode()).hexdigest()
