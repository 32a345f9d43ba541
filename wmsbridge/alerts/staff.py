"""The alerts about the people who log in: locked log-ins and second factors."""

from __future__ import annotations

from django.contrib.auth.models import User

from ops.alerting.kinds import AlertKind, Closes
from ops.alerting.own_alerts import SECRET_UNREADABLE
from ops.refs import user_subject

_OF_STAFF = "it is about a member of staff"

LOG_IN_LOCKED = AlertKind("log_in_locked", closes=Closes.PERSON, of_no_shop=_OF_STAFF)
SECOND_FACTOR_GUESSED = AlertKind("second_factor_guessed", closes=Closes.ITSELF, of_no_shop=_OF_STAFF)


def log_in_locked(name: str, *, failures: int) -> None:
    """Too many wrong passwords or codes came for a user from one address."""
    LOG_IN_LOCKED.open(
        user_subject(name),
        shop=None,
        title=f"The log-in of {name} is locked",
        meaning=f"{failures} wrong passwords or codes in a row came from one address. From that address this user "
        "cannot log in for 15 minutes. From other addresses they can.",
        action="Ask the person. If it was them, delete the row under «Access attempts», or wait. If it was not them, "
        "somebody is guessing: let the person choose a new password, and keep the console away from the public "
        "network. Then close this alert.",
    )


def second_factor_guessed(user: User, *, guesses: int) -> None:
    """Somebody entered the right password and then only wrong codes."""
    name = user.get_username()
    SECOND_FACTOR_GUESSED.open(
        user_subject(name),
        shop=None,
        title=f"Somebody enters wrong codes as {name}",
        meaning=f"The right password was entered, then {guesses} wrong codes in a row. So whoever it is knows the "
        "password. After each wrong code the next one must wait longer, also for the person themselves.",
        action="Ask the person. If it was not them, set a new password for them under «Users». If they have lost their "
        "device and their recovery codes, choose «Reset the second factor» there.",
    )


def second_factor_unreadable(user: User) -> None:
    """The secret of a user's second factor cannot be read."""
    name = user.get_username()
    SECRET_UNREADABLE.open(
        user_subject(name),
        shop=None,
        title=f"The second factor of {name} cannot be read",
        meaning="It was encrypted with a key that is not in FIELD_ENCRYPTION_KEYS. Codes of the person's app cannot be "
        "checked. Recovery codes can.",
        action="Put the old key back behind the current one, or choose «Reset the second factor» under «Users».",
    )
