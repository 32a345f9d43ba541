"""The authenticator app of a person, and their recovery codes.

The devices of django-otp are not used, because they keep the secret and the recovery codes in plain text. Its base
class, its throttling and its TOTP are used.
"""

from __future__ import annotations

import hashlib
import time

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django_otp.models import Device, ThrottlingMixin
from django_otp.oath import TOTP

from ops.secrets import EncryptedTextField

TOLERANCE = 1
"""The codes of this many steps before and after are accepted too, because clocks differ and typing takes time. A step
is 30 seconds."""

MOST_DOUBLINGS = 11
"""Each wrong code doubles the wait for the next, this many times, from 1 second to 17 minutes. So an attacker can try
some 85 of a million codes a day, and the person whose codes are guessed is not locked out for weeks."""


class Authenticator(ThrottlingMixin, Device):  # type: ignore[misc]
    """The authenticator app of one person. It counts once a code of it was entered (`confirmed`)."""

    key = EncryptedTextField(
        bound_to=("user_id",), help_text="The app and we share this secret, in hexadecimal."
    )
    last_step = models.BigIntegerField(
        default=-1,
        help_text="The last code that was taken was of this 30-second step; it is not taken twice.",
    )
    created_at = models.DateTimeField(
        db_default=Now(), editable=False, help_text="The app was set up at this time."
    )
    confirmed_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="A code of the app was first entered at this time; it is empty until then.",
    )

    class Meta:
        default_permissions = ()
        permissions = [("reset_second_factor", "Can take the second factor of others away")]
        constraints = [
            models.UniqueConstraint(fields=["user"], name="a_person_has_one_authenticator"),
            models.CheckConstraint(
                condition=Q(confirmed=True, confirmed_at__isnull=False)
                | Q(confirmed=False, confirmed_at__isnull=True),
                name="an_authenticator_is_confirmed_at_a_time",
            ),
        ]

    throttling_failure_count: int
    by_recovery_code = False
    """Whether the last code that was accepted is a recovery code."""

    def verify_token(self, token: str) -> bool:
        """Whether this is a valid code of the app, or an unused recovery code. An accepted code is not valid any more.

        After a wrong code the next one has to wait. The caller holds the lock of the row. Raises SecretUnreadable.
        """
        if not self.verify_is_allowed()[0]:
            return False
        self.by_recovery_code = self._use_recovery_code(token)
        accepted = self.by_recovery_code or self._is_current(token)
        if accepted:
            self.throttle_reset(commit=False)
        else:
            self.throttle_increment(commit=False)
            self.throttling_failure_count = min(self.throttling_failure_count, MOST_DOUBLINGS)
        self.save(update_fields=["last_step", "throttling_failure_count", "throttling_failure_timestamp"])
        return accepted

    def get_throttle_factor(self) -> int:
        """The number of seconds to wait after the first wrong code."""
        return 1

    def _is_current(self, token: str) -> bool:
        """Whether the app shows this code about now, and no code of this step or a later one was accepted before."""
        if len(token) != 6 or not (token.isascii() and token.isdigit()):
            return False
        totp = TOTP(bytes.fromhex(self.key))
        totp.time = time.time()
        if not totp.verify(int(token), tolerance=TOLERANCE, min_t=self.last_step + 1):
            return False
        self.last_step = totp.t()
        return True

    def _use_recovery_code(self, token: str) -> bool:
        """Whether this is an unused recovery code. It is marked as used by the same statement, so it works only
        once."""
        unused = self.recovery_codes.filter(digest=digest(token), used_at=None)
        return len(token) == RecoveryCode.LENGTH and unused.update(used_at=Now()) == 1


class RecoveryCode(models.Model):
    """A code for a person who has lost their telephone. It is accepted once."""

    LENGTH = 16

    authenticator = models.ForeignKey(
        Authenticator,
        on_delete=models.CASCADE,
        related_name="recovery_codes",
        help_text="The code can be used instead of this authenticator app.",
    )
    digest = models.CharField(
        max_length=64, help_text="This is the SHA-256 of the code, which is 80 random bits."
    )
    used_at = models.DateTimeField(
        null=True, blank=True, help_text="The code was used at this time; it is empty until then."
    )

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["authenticator", "digest"], name="a_recovery_code_is_there_once")
        ]

    def __str__(self) -> str:
        return f"recovery code {self.pk}"


def digest(code: str) -> str:
    """The digest that is kept of a recovery code. The code is so random that it needs no salt and no slow hash."""
    return hashlib.sha256(code.encode()).hexdigest()
