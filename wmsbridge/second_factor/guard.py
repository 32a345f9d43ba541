"""Who counts as logged in: whoever has a second factor only once it was given, on every page and to every view."""

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


class Standing(Enum):
    """How far a session is."""

    LOGGED_IN = auto()
    OWES_CODE = auto()
    MUST_ENROL = auto()


def standing(request: HttpRequest, user: User) -> Standing:
    """How far the session of this user is; one statement."""
    row = enrolment.of(user)
    if row is not None:
        given = request.session.get(django_otp.DEVICE_ID_SESSION_KEY) == row.persistent_id
        return Standing.LOGGED_IN if given else Standing.OWES_CODE
    return Standing.MUST_ENROL if settings.REQUIRE_SECOND_FACTOR else Standing.LOGGED_IN


def second_factor(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware, right after Django's of the log-in: to everything behind it, whoever is not through is nobody.

    It looks only when somebody asks who it is: doors and probes ask nothing.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        known = request.user
        request.user = SimpleLazyObject(lambda: _admitted(request, known))  # type: ignore[assignment]
        return get_response(request)

    return middleware


def _admitted(request: HttpRequest, known: User | AnonymousUser) -> User | AnonymousUser:
    if not known.is_authenticated:
        return known
    found = standing(request, known)
    open_pages = {Standing.OWES_CODE: [LOG_OUT], Standing.MUST_ENROL: [LOG_OUT, SET_UP]}
    if found == Standing.LOGGED_IN or request.path in map(reverse, open_pages[found]):
        return known
    return AnonymousUser()
