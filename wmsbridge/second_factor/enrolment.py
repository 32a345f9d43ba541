"""A second factor is set up, confirmed, replaced and taken away. Each step is in the person's history."""

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
"""Wrong codes in a row after which staff are told: nobody mistypes so often."""


class TooSoon(Exception):
    """Codes are not looked at until then, because of wrong ones before."""

    def __init__(self, until: datetime) -> None:
        self.seconds = max(1, round((until - timezone.now()).total_seconds()))
        super().__init__(f"too many wrong codes: wait {self.seconds} seconds")


def of(user: User) -> Authenticator | None:
    """The authenticator app that counts for this person."""
    return _one(user, confirmed=True)


def unconfirmed(user: User) -> Authenticator | None:
    """The one whose first code is still to be entered."""
    return _one(user, confirmed=False)


def _one(user: User, *, confirmed: bool) -> Authenticator | None:
    found: Authenticator | None = Authenticator.objects.filter(user_id=user.pk, confirmed=confirmed).first()
    return found


@transaction.atomic
def begin(user: User) -> None:
    """Make a new secret, in place of one that was never confirmed. Nothing happens to whoever has a second factor."""
    fresh = {"key": secrets.token_hex(KEY_BYTES), "name": "authenticator app", "confirmed": False}
    row, made = Authenticator.objects.select_for_update().get_or_create(user_id=user.pk, defaults=fresh)
    if not made and not row.confirmed:
        row.key, row.last_step = fresh["key"], -1
        row.save(update_fields=["key", "last_step"])


@transaction.atomic
def confirm(user: User, code: str) -> Authenticator | None:
    """The first code of the app was entered: from now on the second factor counts. None when the code is wrong.

    Raises TooSoon, SecretUnreadable.
    """
    row = _take(user, code, confirmed=False)
    if row is not None:
        row.confirmed, row.confirmed_at = True, timezone.now()
        row.save(update_fields=["confirmed", "confirmed_at"])
        _note(user, "Second factor switched on.")
    return row


@transaction.atomic
def verify(user: User, code: str) -> Authenticator | None:
    """The person's authenticator when this code of it, or recovery code, is right; taken once. Else None.

    Raises TooSoon. A secret that cannot be read takes no code of the app, only recovery codes; staff are told.
    """
    try:
        row = _take(user, code, confirmed=True)
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


def _take(user: User, code: str, *, confirmed: bool) -> Authenticator | None:
    rows = Authenticator.objects.select_for_update().filter(user_id=user.pk, confirmed=confirmed)
    row: Authenticator | None = rows.first()
    if row is None:
        return None
    allowed, why = row.verify_is_allowed()
    if not allowed:
        raise TooSoon(why["locked_until"])
    taken = row.verify_token(code)
    if not taken and confirmed and row.throttling_failure_count >= GUESSES:
        alerts.second_factor_guessed(user, guesses=GUESSES)
    return row if taken else None


@transaction.atomic
def new_recovery_codes(row: Authenticator) -> list[str]:
    """Codes for the day on which the app is lost, in place of those before. They can be shown now and never again."""
    row.recovery_codes.all().delete()
    codes = [base64.b32encode(secrets.token_bytes(10)).decode().lower() for _ in range(RECOVERY_CODES)]
    RecoveryCode.objects.bulk_create(RecoveryCode(authenticator=row, digest=digest(code)) for code in codes)
    return [in_fours(code, "-") for code in codes]


def in_fours(text: str, between: str) -> str:
    """In groups of four characters, as people copy it."""
    return between.join(text[place : place + 4] for place in range(0, len(text), 4))


def left(row: Authenticator) -> int:
    """How many recovery codes were not used yet."""
    return int(row.recovery_codes.filter(used_at=None).count())


@transaction.atomic
def remove(user: User, *, by: User, said: str) -> bool:
    """Take the second factor away, also one that was never confirmed; whether there was one. Sessions go on."""
    counted, _ = Authenticator.objects.filter(user_id=user.pk).delete()
    if counted:
        _note(user, said, by=by)
        close_kinds([alerts.SECOND_FACTOR_GUESSED, SECRET_UNREADABLE], user_subject(user.get_username()))
    return bool(counted)


def address(row: Authenticator) -> str:
    """The otpauth:// address that an app reads from the QR code."""
    host = urlsplit(settings.PUBLIC_URL).hostname
    issuer = f"wmsbridge {host}" if host else "wmsbridge"
    asked = urlencode({"secret": secret(row), "issuer": issuer}, quote_via=quote)
    return f"otpauth://totp/{quote(issuer)}:{quote(row.user.get_username())}?{asked}"


def secret(row: Authenticator) -> str:
    """The secret as apps take it when it is typed: base32."""
    return base64.b32encode(bytes.fromhex(row.key)).decode()


def qr_code(row: Authenticator) -> str:
    """A data: address of the QR code's picture."""
    return str(segno.make(address(row), error="m").svg_data_uri(scale=5, light="white"))


def _note(user: User, said: str, *, by: User | None = None) -> None:
    LogEntry.objects.log_actions((by or user).pk, [user], CHANGE, change_message=said)
