"""Headers of every answer, both of the application and of the front that refuses a request.

The library django-csp is not used. It offers nonces and a policy for each view, but nothing needs a nonce, and there
are only two policies.
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

PERMISSIONS = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"

FOR_MACHINES = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The Content-Security-Policy of answers that are no pages. If one was shown as a page, it could load and do
nothing."""

FOR_THE_CONSOLE = "; ".join(
    (
        "default-src 'none'",
        # The theme of the admin uses Alpine.js, which compiles attributes of its templates to functions.
        "script-src 'self' 'unsafe-eval'",
        "style-src 'self'",
        "font-src 'self'",
        "img-src 'self' data:",  # small pictures in the stylesheets of the theme
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""The policy of the console: nothing from other hosts, and no inline scripts or styles."""


def of_machines() -> dict[str, str]:
    """The headers of an answer to a machine."""
    return {"Permissions-Policy": PERMISSIONS, "Content-Security-Policy": FOR_MACHINES}


def policies(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """The outermost middleware, which says what a browser may do with an answer. Django's debug pages have no
    policy."""

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
