"""Parts of the log-in: how passwords are hashed, which address counts, and what happens after too many wrong ones."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse

from wmsbridge.alerts import staff as alerts


class Argon2(Argon2PasswordHasher):
    """Argon2id with OWASP's parameters: 19 MiB, two passes, one lane."""

    time_cost = 2
    memory_cost = 19 * 1024
    parallelism = 1


def client_address(request: HttpRequest) -> str:
    """The address that a log-in comes from. Behind a proxy it is the last of the header, which the proxy itself
    added."""
    added = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    return (settings.BEHIND_PROXY and added) or str(request.META.get("REMOTE_ADDR", ""))


def locked_out(request: HttpRequest, _answer: Any, credentials: dict[str, Any] | None) -> HttpResponse:
    """The answer to a log-in that is locked. Staff are alerted if the user name exists."""
    name = str((credentials or {}).get("username", ""))[:150]
    if "\x00" not in name and User.objects.filter(username=name).exists():
        alerts.log_in_locked(name, failures=settings.AXES_FAILURE_LIMIT)
    text = "Too many wrong passwords or codes: this log-in is locked for 15 minutes. An administrator can unlock it.\n"
    return HttpResponse(
        text, status=429, content_type="text/plain; charset=utf-8", headers={"Retry-After": "900"}
    )
