"""Decides who counts as logged in. A person who has a second factor counts only after they gave it, for every view."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

import django_otp
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from wmsbridge.second_factor import enrolment

LOG_OUT, SET_UP = "admin:logout", "second-factor"


class LoginState(Enum):
    """How far the log-in of a session has come."""

    LOGGED_IN = auto()
    OWES_CODE = auto()
    MUST_ENROL = auto()


def login_state(request: HttpRequest, user: User) -> LoginState:
    """How far the log-in of this user's session has come. This takes one statement."""
    row = enrolment.of(user)
    if row is not None:
        given = request.session.get(django_otp.DEVICE_ID_SESSION_KEY) == row.persistent_id
        return LoginState.LOGGED_IN if given else LoginState.OWES_CODE
    return LoginState.MUST_ENROL if settings.REQUIRE_SECOND_FACTOR else LoginState.LOGGED_IN


def second_factor(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware, right after Django's authentication. For all that comes later, a person who still owes the second
    factor is anonymous.

    It looks only if a view asks for the user. Doors and probes do not ask.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        known = request.user
        request.user = SimpleLazyObject(lambda: _admitted(request, known))  # type: ignore[assignment]
        return get_response(request)

    return middleware


def _admitted(request: HttpRequest, known: User | AnonymousUser) -> User | AnonymousUser:
    """The user of the request: anonymous while the second factor is owed, except on the few pages that are open
    then."""
    if not known.is_authenticated:
        return known
    found = login_state(request, known)
    open_pages = {LoginState.OWES_CODE: [LOG_OUT], LoginState.MUST_ENROL: [LOG_OUT, SET_UP]}
    if found == LoginState.LOGGED_IN or request.path in map(reverse, open_pages[found]):
        return known
    return AnonymousUser()
