"""What machines ask about the application: does it live, can it work, how does it fare?

And what people read when a page is not for them.
"""

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
_LOOKING = {"readyz": Lock(), "metrics": Lock()}


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while the process answers. Asks nobody: a database that is down is no reason to restart it."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when database, migrations, Redis, workers and beat are all there; else 503 with the reasons.

    For deployments and monitoring. A load balancer should ask /healthz: webhooks are taken without Redis too.
    """
    reasons = _kept("readyz", readiness.reasons)
    return JsonResponse({"ready": not reasons, "reasons": reasons}, status=503 if reasons else 200)


@require_safe
@never_cache
def prometheus(request: HttpRequest) -> HttpResponse:
    """The metrics as Prometheus text. With METRICS_TOKEN set: only for that bearer token and for staff."""
    if not _may_read_metrics(request):
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    try:
        return HttpResponse(_kept("metrics", metrics.exposition), content_type=CONTENT_TYPE_LATEST)
    except DatabaseError:
        return HttpResponse("the database does not answer\n", status=503, content_type="text/plain")


def _kept(name: str, look: Callable[[], Found]) -> Found:
    """What was found within the last PROBES_KEPT_SECONDS by this process; else one thread looks and the others wait."""
    if (found := cache.get(name)) is None:
        with _LOOKING[name]:
            if (found := cache.get(name)) is None:
                found = look()
                cache.set(name, found, settings.PROBES_KEPT_SECONDS)
    return cast(Found, found)


def _may_read_metrics(request: HttpRequest) -> bool:
    token = settings.METRICS_TOKEN
    given = request.headers.get("Authorization", "")
    return (
        not token
        or hmac.compare_digest(given.encode(), f"Bearer {token}".encode())
        or (request.user.is_active and request.user.is_staff)
    )


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """403: staff read in the console whom to ask, everybody else the bare answer."""
    if not _is_in_console(request):
        return defaults.permission_denied(request, exception)
    return _told(
        request, 403, "This is not open to you", "Your account lacks the right to it. Ask an administrator."
    )


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """404: staff stay in the console, everybody else reads the bare answer."""
    if not _is_in_console(request):
        return defaults.page_not_found(request, exception)
    return _told(request, 404, "There is no such page", "It was removed, or the address is wrong.")


def forged(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """403: the form was not made for this session. Django's page has a style in itself and speaks to programmers."""
    title = "Nothing was done"
    words = "The page was open for too long, or somebody logged in meanwhile. Load it anew and try again."
    if not _is_in_console(request):
        return HttpResponse(f"{title}. {words}\n", status=403, content_type="text/plain")
    return _told(request, 403, title, words)


def _is_in_console(request: HttpRequest) -> bool:
    return request.path.startswith("/admin/") and admin.site.has_permission(request)


def _told(request: HttpRequest, status: int, title: str, words: str) -> HttpResponseBase:
    context = {**admin.site.each_context(request), "title": title, "words": words}
    return TemplateResponse(request, "admin/message.html", context, status=status).render()
