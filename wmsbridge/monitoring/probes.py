"""The pages for machines (is the process alive, can it work, what are its metrics) and the error pages for people."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from threading import Lock
from typing import TypeVar, cast

from django.conf import settings
from django.contrib import admin
from django.core.cache import cache
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.template.response import TemplateResponse
from django.views import defaults
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from wmsbridge.monitoring import metrics, readiness

Found = TypeVar("Found")
_LOCKS = {"readyz": Lock(), "metrics": Lock()}


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer 200 while the process works. Nothing else is asked, because a restart does not help a database that is
    down."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 if database, migrations, Redis, workers and beat are ready, else 503 with the reasons.

    This is for deployments and monitoring. A load balancer should ask /healthz, because webhooks are accepted without
    Redis too.
    """
    reasons = _cached("readyz", readiness.reasons)
    return JsonResponse({"ready": not reasons, "reasons": reasons}, status=503 if reasons else 200)


@require_safe
@never_cache
def prometheus(request: HttpRequest) -> HttpResponse:
    """Return the metrics as Prometheus text. If METRICS_TOKEN is set, only that bearer token and staff may read
    them."""
    if not _may_read_metrics(request):
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    try:
        return HttpResponse(_cached("metrics", metrics.exposition), content_type=CONTENT_TYPE_LATEST)
    except DatabaseError:
        return HttpResponse("the database does not answer\n", status=503, content_type="text/plain")


def _cached(name: str, read: Callable[[], Found]) -> Found:
    """Return what this process found within the last PROBES_KEPT_SECONDS. Otherwise one thread looks, and others
    wait."""
    if (found := cache.get(name)) is None:
        with _LOCKS[name]:
            if (found := cache.get(name)) is None:
                found = read()
                cache.set(name, found, settings.PROBES_KEPT_SECONDS)
    return cast(Found, found)


def _may_read_metrics(request: HttpRequest) -> bool:
    """Whether there is no token, or the request has it, or it comes from staff who are logged in."""
    token = settings.METRICS_TOKEN
    given = request.headers.get("Authorization", "")
    return (
        not token
        or hmac.compare_digest(given.encode(), f"Bearer {token}".encode())
        or (request.user.is_active and request.user.is_staff)
    )


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer 403. Staff see a page of the console that says whom to ask; others see Django's plain page."""
    if not _is_in_console(request):
        return defaults.permission_denied(request, exception)
    return _console_page(
        request, 403, "This is not open to you", "Your account lacks the right to it. Ask an administrator."
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer 404. Staff see a page of the console; others see Django's plain page."""
    if not _is_in_console(request):
        return defaults.page_not_found(request, exception)
    return _console_page(request, 404, "There is no such page", "It was removed, or the address is wrong.")


def forged(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """Answer 403 to a form that was not made for this session. Django's own page has inline styles, and is written for
    programmers."""
    title = "Nothing was done"
    words = "The page was open for too long, or somebody logged in meanwhile. Load it anew and try again."
    if not _is_in_console(request):
        return HttpResponse(f"{title}. {words}\n", status=403, content_type="text/plain")
    return _console_page(request, 403, title, words)


def _is_in_console(request: HttpRequest) -> bool:
    return request.path.startswith("/admin/") and admin.site.has_permission(request)


def _console_page(request: HttpRequest, status: int, title: str, words: str) -> HttpResponseBase:
    context = {**admin.site.each_context(request), "title": title, "words": words}
    return TemplateResponse(request, "admin/message.html", context, status=status).render()
