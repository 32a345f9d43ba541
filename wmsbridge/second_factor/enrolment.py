"""Sets up, confirms, replaces and removes the second factor of a person. Each step is in the person's history."""

from __future__ import annotations

import base64
import secrets
from datetime import datetime
from urllib.parse import quote, urlencode, urlsplit

import segno
from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from ops.alerting.kinds import close_kinds
from ops.alerting.own_alerts import SECRET_UNREADABLE
from ops.refs import user_subject
from ops.secrets import SecretUnreadable
from wmsbridge.alerts import staff as alerts
from wmsbridge.second_factor.models import Authenticator, RecoveryCode, digest

RECOVERY_CODES = 10
KEY_BYTES = 20

GUESSES = 10
"""After this many wrong codes in a row staff are alerted, because nobody mistypes so often."""


class TooSoon(Exception):
    """No code is checked before this time, because wrong codes came before."""

    def __init__(self, until: datetime) -> None:
        self.seconds = max(1, round((until - timezone.now()).total_seconds()))
        super().__init__(f"too many wrong codes: wait {self.seconds} seconds")


def of(user: User) -> Authenticator | None:
    """The confirmed authenticator app of this person; None if they have none."""
    return _one(user, confirmed=True)


def unconfirmed(user: User) -> Authenticator | None:
    """The authenticator app of this person whose first code was not entered yet; None if there is none."""
    return _one(user, confirmed=False)


def _one(user: User, *, confirmed: bool) -> Authenticator | None:
    found: Authenticator | None = Authenticator.objects.filter(user_id=user.pk, confirmed=confirmed).first()
    return found


@transaction.atomic
def begin(user: User) -> None:
    """Make a new secret, which replaces one that was never confirmed. A confirmed second factor stays as it is."""
    fresh = {"key": secrets.token_hex(KEY_BYTES), "name": "authenticator app", "confirmed": False}
    row, made = Authenticator.objects.select_for_update().get_or_create(user_id=user.pk, defaults=fresh)
    if not made and not row.confirmed:
        row.key, row.last_step = fresh["key"], -1
        row.save(update_fields=["key", "last_step"])


@transaction.atomic
def confirm(user: User, code: str) -> Authenticator | None:
    """Confirm the second factor with the first code of the app. From now on it counts. Returns None if the code is
    wrong.

    Raises TooSoon, SecretUnreadable.
    """
    row = _check_code(user, code, confirmed=False)
    if row is not None:
        row.confirmed, row.confirmed_at = True, timezone.now()
        row.save(update_fields=["confirmed", "confirmed_at"])
        _note(user, "Second factor switched on.")
    return row


@transaction.atomic
def verify(user: User, code: str) -> Authenticator | None:
    """Check a code of the app, or a recovery code, and use it up. Returns the authenticator, or None if it is wrong.

    Raises TooSoon. If the secret cannot be read, only recovery codes are accepted, and staff are alerted.
    """
    try:
        row = _check_code(user, code, confirmed=True)
    except SecretUnreadable:
        alerts.second_factor_unreadable(user)
        return None
    if row is not None:
        alerts.SECOND_FACTOR_GUESSED.close(user_subject(user.get_username()))
        if not row.by_recovery_code:
            SECRET_UNREADABLE.close(user_subject(user.get_username()))
        else:
            _note(user, f"A recovery code was used, {left(row)} are left.")
    return row


def _check_code(user: User, code: str, *, confirmed: bool) -> Authenticator | None:
    """Check a code under the lock of the row, and alert staff of many wrong ones. Returns None if it is wrong.

    Raises TooSoon, SecretUnreadable.
    """
    rows = Authenticator.objects.select_for_update().filter(user_id=user.pk, confirmed=confirmed)
    row: Authenticator | None = rows.first()
    if row is None:
        return None
    allowed, why = row.verify_is_allowed()
    if not allowed:
        raise TooSoon(why["locked_until"])
    accepted = row.verify_token(code)
    if not accepted and confirmed and row.throttling_failure_count >= GUESSES:
        alerts.second_factor_guessed(user, guesses=GUESSES)
    return row if accepted else None


@transaction.atomic
def new_recovery_codes(row: Authenticator) -> list[str]:
    """Make new recovery codes, which replace the old ones. They can be shown only now, because only digests are
    kept."""
    row.recovery_codes.all().delete()
    codes = [base64.b32encode(secrets.token_bytes(10)).decode().lower() for _ in range(RECOVERY_CODES)]
    RecoveryCode.objects.bulk_create(RecoveryCode(authenticator=row, digest=digest(code)) for code in codes)
    return [in_fours(code, "-") for code in codes]


def in_fours(text: str, between: str) -> str:
    """Write a text in groups of four characters, so that people can copy it."""
    return between.join(text[start : start + 4] for start in range(0, len(text), 4))


def left(row: Authenticator) -> int:
    """The number of recovery codes that were not used yet."""
    return int(row.recovery_codes.filter(used_at=None).count())


@transaction.atomic
def remove(user: User, *, by: User, message: str) -> bool:
    """Remove the second factor, even one that was never confirmed. Returns whether there was one. Sessions stay
    open."""
    counted, _ = Authenticator.objects.filter(user_id=user.pk).delete()
    if counted:
        _note(user, message, by=by)
        close_kinds([alerts.SECOND_FACTOR_GUESSED, SECRET_UNREADABLE], user_subject(user.get_username()))
    return bool(counted)


def address(row: Authenticator) -> str:
    """The otpauth:// address that an app reads from the QR code."""
    host = urlsplit(settings.PUBLIC_URL).hostname
    issuer = f"wmsbridge {host}" if host else "wmsbridge"
    parameters = urlencode({"secret": secret(row), "issuer": issuer}, quote_via=quote)
    return f"otpauth://totp/{quote(issuer)}:{quote(row.user.get_username())}?{parameters}"


def secret(row: Authenticator) -> str:
    """The secret in base32, as a person types it into an app."""
    return base64.b32encode(bytes.fromhex(row.key)).decode()


def qr_code(row: Authenticator) -> str:
    """The picture of the QR code, as a data: address."""
    return str(segno.make(address(row), error="m").svg_data_uri(scale=5, light="white"))


def _note(user: User, message: str, *, by: User | None = None) -> None:
    LogEntry.objects.log_actions((by or user).pk, [user], CHANGE, change_message=message)
