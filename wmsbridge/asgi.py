"""The ASGI application of the web server: wmsbridge.wsgi behind the front of wmsbridge/web, which slow senders cannot
block."""

from __future__ import annotations

import resource

from django.conf import settings

from wmsbridge.wsgi import application as wsgi  # first, because it sets Django up

# isort: split
from wmsbridge.web import unread
from wmsbridge.web.bodies import Bounds, Memory
from wmsbridge.web.front import Front, RequestPool
from wmsbridge.web.wakeups import wakes_later

MB = 1024 * 1024
DOOR_SECONDS = 10.0
"""The seconds from the head of a request to the end of its body. Shopify waits 5 seconds for an answer."""

LARGEST_UPLOAD = 64 * MB
"""Staff upload CSV files of up to 50 MB, perhaps over a slow line. They get one more second for each 32 KB."""


def _allow_many_connections() -> None:
    """Raise the limit of open files. The usual 1,024 is below the number of connections that the server accepts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


_allow_many_connections()
_door = Bounds(settings.DATA_UPLOAD_MAX_MEMORY_SIZE, DOOR_SECONDS)
application = Front(
    wsgi,
    pools=(
        RequestPool(
            "/webhooks/",
            threads=8,
            bounds=_door,
            memory=Memory(max(64 * MB, 4 * _door.most_bytes)),
            on_refusal=unread.count,
            application=wakes_later(wsgi),
        ),
        RequestPool("/healthz", threads=1, bounds=Bounds(0, DOOR_SECONDS), memory=Memory(0)),
        RequestPool(
            "/", threads=4, bounds=Bounds(LARGEST_UPLOAD, DOOR_SECONDS, 32 * 1024), memory=Memory(192 * MB)
        ),
        # Only "*" (OPTIONS *) and an empty path do not begin with a slash.
        RequestPool("", threads=1, bounds=Bounds(0, DOOR_SECONDS), memory=Memory(0)),
    ),
)
