"""Leads what is posted to a door past the middleware for people: sessions, log-in, cookies, pages."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve

DOORS = "/webhooks/"


def straight_to_the_doors(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware that calls the view of a door itself. Hosts that are not ours are refused here, as for all other
    requests later."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.method != "POST" or not request.path_info.startswith(DOORS):
            return get_response(request)
        request.get_host()
        try:
            match = resolve(request.path_info)
        except Resolver404:
            return get_response(request)
        request.resolver_match = match
        response: HttpResponse = match.func(request, *match.args, **match.kwargs)
        return response

    return middleware
