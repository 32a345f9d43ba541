"""The Content-Security-Policy: every answer has one, and no page of the console needs more than it allows."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.conf import settings
from django.test import Client
from unfold.settings import CONFIG_DEFAULTS

from tests.wmsbridge import everyone
from tests.wmsbridge.everyone import Role
from wmsbridge.web.headers import FOR_MACHINES, FOR_THE_CONSOLE

pytestmark = pytest.mark.django_db

# <style>, <script> without a file, and the attributes of scripts and styles
IN_THE_PAGE = re.compile(
    r"<style|<script(?![^>]*\b(?:src=|type=\"application/json\"))|\s(?:style|on[a-z]+)=\""
)


def directives(policy: str) -> dict[str, set[str]]:
    return {name: set(allowed) for name, *allowed in (each.split() for each in policy.split(";"))}


@pytest.fixture
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize(
    ("path", "status", "policy"),
    [
        ("/admin/login/", 200, FOR_THE_CONSOLE),
        ("/admin/", 200, FOR_THE_CONSOLE),
        ("/admin/ops/job/", 200, FOR_THE_CONSOLE),
        ("/admin/nonsense/", 404, FOR_THE_CONSOLE),
        ("/", 302, FOR_MACHINES),
        ("/nonsense", 404, FOR_MACHINES),
        ("/healthz", 200, FOR_MACHINES),
        ("/readyz", 503, FOR_MACHINES),
        ("/metrics", 200, FOR_MACHINES),
        ("/api/schema/", 200, FOR_MACHINES),
        ("/webhooks/shopify/", 405, FOR_MACHINES),
    ],
)
def test_every_answer_has_a_policy(admin_client: Client, path: str, status: int, policy: str) -> None:
    client = Client() if path == "/admin/login/" else admin_client
    answer = client.get(path, secure=True)
    assert (answer.status_code, answer.headers["Content-Security-Policy"]) == (status, policy)
    assert "camera=()" in answer.headers["Permissions-Policy"]


@pytest.mark.usefixtures("quiet")
def test_refusals_and_redirects_have_it_too(client: Client, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    refused = [
        client.post("/webhooks/shopify/", b"{", content_type="application/json", secure=True),
        client.get("/healthz", headers={"Host": "elsewhere.example.com"}, secure=True),
        client.get("/nonsense"),
        Client(enforce_csrf_checks=True).post("/admin/login/", secure=True),
    ]
    assert [each.status_code for each in refused] == [400, 400, 301, 403]
    assert all("default-src 'none'" in each.headers["Content-Security-Policy"] for each in refused)


@pytest.mark.usefixtures("quiet")
def test_a_page_that_failed_has_it_too() -> None:
    client = Client(raise_request_exception=False)
    with mock.patch("wmsbridge.monitoring.readiness.reasons", side_effect=RuntimeError):
        answer = client.get("/readyz", secure=True)
    assert (answer.status_code, answer.headers["Content-Security-Policy"]) == (500, FOR_MACHINES)


def test_the_console_takes_nothing_from_elsewhere_and_nothing_out_of_the_page() -> None:
    allowed = directives(FOR_THE_CONSOLE)
    assert allowed["script-src"] == {"'self'", "'unsafe-eval'"}
    assert set().union(*allowed.values()) == {"'none'", "'self'", "'unsafe-eval'", "data:"}
    for name in ("default-src", "object-src", "base-uri", "frame-ancestors"):
        assert allowed[name] == {"'none'"}
    assert allowed["form-action"] == {"'self'"}


@pytest.mark.usefixtures("quiet")
def test_no_page_of_the_console_has_a_script_or_a_style_in_itself() -> None:
    world = everyone.make_world()
    client = everyone.visitor(Role.ADMINISTRATOR)
    found, seen = {}, 0
    for place in everyone.places(world):
        if not place.url.startswith("/admin/") or place.name == "logout":
            continue
        answer = client.get(place.url)
        if answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html"):
            seen += 1
            if inside := IN_THE_PAGE.search(answer.content.decode()):
                found[place.url] = inside.group()
    assert found == {}
    assert seen > 50


def test_the_stylesheet_has_the_colours_that_the_theme_would_write_into_the_page() -> None:
    ours = Path(settings.BASE_DIR, "wmsbridge/static/wmsbridge/console.css").read_text()
    colours = CONFIG_DEFAULTS["COLORS"].items()
    assert [
        line
        for name, weights in colours
        for weight, value in weights.items()
        if (line := f"--color-{name}-{weight}: {value};") not in ours
    ] == []
