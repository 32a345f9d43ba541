"""The alerts about a connection to a WMS: its credentials, its secrets and what its callbacks contain."""

from __future__ import annotations

from collections.abc import Sequence

from ops.alerting.kinds import AlertKind, Closes
from ops.alerting.own_alerts import SECRET_UNREADABLE
from ops.models import Severity
from wms.models import Connection
from wms.refs import unread_fields_subject

_SHARED = "a WMS may serve several shops"

WMS_REFUSES_CREDENTIALS = AlertKind(
    "wms_refuses_credentials", closes=Closes.ITSELF, severity=Severity.CRITICAL, of_no_shop=_SHARED
)
CALLBACK_FIELD_UNREAD = AlertKind("callback_field_unread", closes=Closes.PERSON, of_no_shop=_SHARED)


def wms_refuses_credentials(connection: Connection, *, status: int) -> None:
    """The WMS answered that our token is wrong or may not do this."""
    WMS_REFUSES_CREDENTIALS.open(
        connection.subject,
        shop=None,
        title=f"{connection.slug} refuses our credentials (HTTP {status})",
        meaning="No order can be sent to this WMS or cancelled there, and nothing can be read from it. Its work waits, "
        "and nothing is lost.",
        action="Correct the token of the connection in the console. The waiting work then continues by itself.",
    )


def secret_unreadable(connection: Connection) -> None:
    """A stored secret of the connection cannot be read."""
    SECRET_UNREADABLE.open(
        connection.subject,
        shop=None,
        title=f"A stored secret of {connection.slug} cannot be read",
        meaning="It was encrypted with a key that is not in FIELD_ENCRYPTION_KEYS, or it belongs to another row or "
        "address, or it is a token with a character that cannot be sent. Calls to this WMS wait. If it is a callback "
        "secret, callbacks are answered with 503. The work of all other connections continues.",
        action="Put the old key back behind the current one, or enter the token and the callback secret of the "
        "connection again in the console. The waiting work then continues by itself.",
    )


def callback_field_unread(slug: str, *, names: Sequence[str], unread: Sequence[str]) -> None:
    """Callbacks came with fields that cannot be read; `unread` says of each field why."""
    fields = ", ".join(names)
    CALLBACK_FIELD_UNREAD.open(
        unread_fields_subject(slug, fields),
        shop=None,
        title=f"Callbacks of {slug} contain fields that cannot be read: {fields}",
        meaning="The callbacks are processed without these fields. Instead of an unreadable time we use the time of "
        f"the callback itself; any other unreadable field counts as missing. {'; '.join(unread)}.",
        action="Ask the vendor to send these fields as the contract says. Then close this alert.",
    )
