"""Headers that every answer has, whoever gives it: the application, or the front that refuses a request.

A library (django-csp) would add nonces and policies by view: nothing needs a nonce, and there are two policies.
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

PERMISSIONS = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"

FOR_MACHINES = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The Content-Security-Policy of answers that are no pages: were one shown as a page, it could load and do nothing."""

FOR_THE_CONSOLE = "; ".join(
    (
        "default-src 'none'",
        # Alpine.js, which the admin's theme is built on, makes functions of the attributes of its templates.
        "script-src 'self' 'unsafe-eval'",
        "style-src 'self'",
        "font-src 'self'",
        "img-src 'self' data:",  # small drawings in the theme's stylesheets
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""The console's: nothing from elsewhere, and no script or style that stands in the page itself."""


def of_machines() -> dict[str, str]:
    """The headers of an answer to a machine."""
    return {"Permissions-Policy": PERMISSIONS, "Content-Security-Policy": FOR_MACHINES}


def policies(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """The outermost middleware: what a browser may do with the answer. Django's own pages of DEBUG are spared."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        headers = of_machines()
        if request.path.startswith("/admin/"):
            headers["Content-Security-Policy"] = FOR_THE_CONSOLE
        if settings.DEBUG and response.status_code in (404, 500):
            del headers["Content-Security-Policy"]
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        return response

    return middleware


def without_inline_styles(_request: HttpRequest) -> dict[str, object]:
    """For the theme's templates: no colours, which they would write into the page as a style. console.css has them."""
    return {"colors": None}
