"""The least that a Django view can do with a webhook: check its signature, parse it, and insert one row. Granian serves
this module; nothing of the product is in it.

It is served by WSGI, which costs Django the least: behind ASGI it runs each request in a new thread, which needs a new
database connection.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from urllib.parse import urlsplit

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

TABLE = (
    "CREATE TABLE bare_event (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key varchar(255) NOT NULL UNIQUE,"
    " topic varchar(100) NOT NULL, body jsonb NOT NULL, created_at timestamptz NOT NULL DEFAULT now())"
)
_INSERT = "INSERT INTO bare_event (key, topic, body) VALUES (%s, %s, %s) ON CONFLICT (key) DO NOTHING"


def receive(request: HttpRequest) -> HttpResponse:
    """Store one webhook."""
    body = request.body
    signature = base64.b64encode(hmac.new(_SECRET, body, hashlib.sha256).digest()).decode()
    if not hmac.compare_digest(signature, request.headers.get("X-Shopify-Hmac-Sha256", "")):
        return JsonResponse({"error": "signature does not match"}, status=401)
    key, topic = (request.headers[f"X-Shopify-{name}"] for name in ("Webhook-Id", "Topic"))
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [key, topic, json.dumps(json.loads(body))])
    response = JsonResponse({"status": "stored"})
    response["Content-Length"] = str(len(response.content))
    return response


urlpatterns = [path("webhooks/shopify/", receive)]


def _database(url: str) -> dict[str, object]:
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path[1:],
        "USER": parts.username,
        "PASSWORD": parts.password,
        "HOST": parts.hostname,
        "PORT": parts.port,
        "CONN_MAX_AGE": 60,
    }


if "BARE_SECRET" in os.environ:  # it is served
    _SECRET = os.environ["BARE_SECRET"].encode()
    settings.configure(
        SECRET_KEY=os.environ["SECRET_KEY"],
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=__name__,
        MIDDLEWARE=[],
        DATABASES={"default": _database(os.environ["DATABASE_URL"])},
        USE_TZ=True,
    )
    application = get_wsgi_application()
