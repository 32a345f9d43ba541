"""What the web server runs: wmsbridge.wsgi behind a front that no slow sender holds up, see wmsbridge/web."""

from __future__ import annotations

import resource

from django.conf import settings

from wmsbridge.web import unread
from wmsbridge.web.bodies import Bounds, Memory
from wmsbridge.web.front import Desk, Front
from wmsbridge.wsgi import application as wsgi

MB = 1024 * 1024
DOOR_SECONDS = 10.0
"""From the head to the end of the body. Shopify itself waits 5 s for its answer."""

LARGEST_UPLOAD = 64 * MB
"""Staff upload CSV files of up to 50 MB, perhaps over a slow line: a second more for each 32 KB."""


def _allow_many_connections() -> None:
    """A shell's usual 1,024 open files would be fewer than the connections that the server is to hold."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


_allow_many_connections()
_door = Bounds(settings.DATA_UPLOAD_MAX_MEMORY_SIZE, DOOR_SECONDS)
application = Front(
    wsgi,
    desks=(
        Desk(
            "/webhooks/",
            threads=8,
            bounds=_door,
            memory=Memory(max(64 * MB, 4 * _door.most_bytes)),
            on_refusal=unread.count,
        ),
        Desk("/healthz", threads=1, bounds=Bounds(0, DOOR_SECONDS), memory=Memory(0)),
        Desk("/", threads=4, bounds=Bounds(LARGEST_UPLOAD, DOOR_SECONDS, 32 * 1024), memory=Memory(192 * MB)),
        # No path begins with anything else but "*" (OPTIONS *), and with nothing at all.
        Desk("", threads=1, bounds=Bounds(0, DOOR_SECONDS), memory=Memory(0)),
    ),
)
