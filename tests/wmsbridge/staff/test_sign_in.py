"""The log-in: wrong passwords lock a name from an address before a password is hashed; headers and schema."""

from __future__ import annotations

import importlib
from typing import Any
from unittest import mock

import pytest
from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.models import User
from django.test import Client

from ops.models import Alert
from wmsbridge.configuration import checks

pytestmark = pytest.mark.django_db

RIGHT = "a-long-password"


@pytest.fixture(autouse=True)
def ada() -> User:
    return User.objects.create_superuser("ada", password=RIGHT)


def log_in(password: str, name: str = "ada", **headers: str) -> int:
    form = {"username": name, "password": password, "next": "/admin/"}
    return Client().post("/admin/login/", form, secure=True, headers=headers).status_code


def test_five_wrong_passwords_lock_the_name_and_cost_no_hash_any_more() -> None:
    assert [log_in("guess") for _ in range(4)] == [200] * 4
    assert log_in("guess") == 429
    with mock.patch("django.contrib.auth.models.User.check_password", side_effect=AssertionError("hashed")):
        assert [log_in(RIGHT), log_in("guess")] == [429, 429]
    assert Alert.objects.get(kind="log_in_locked").subject == "user:ada"


def test_others_at_the_same_address_and_the_name_at_another_are_not_locked(settings: Any) -> None:
    settings.BEHIND_PROXY = True
    User.objects.create_superuser("bob", password=RIGHT)
    for _ in range(6):
        log_in("guess", **{"X-Forwarded-For": "10.0.0.9, 203.0.113.7"})
    assert (
        log_in(RIGHT, **{"X-Forwarded-For": "9.9.9.9, 203.0.113.7"}) == 429
    )  # a forged first entry does not help
    assert log_in(RIGHT, "bob", **{"X-Forwarded-For": "203.0.113.7"}) == 302
    assert log_in(RIGHT, **{"X-Forwarded-For": "203.0.113.8"}) == 302


def test_without_a_proxy_nobody_chooses_his_address() -> None:
    for number in range(6):
        log_in("guess", **{"X-Forwarded-For": f"203.0.113.{number}"})
    assert log_in(RIGHT) == 429


def test_an_administrator_sees_and_unlocks(admin_client: Client) -> None:
    for _ in range(5):
        log_in("guess")
    page = "/admin/axes/accessattempt/"
    assert b"ada" in admin_client.get(page).content
    chosen = admin_client.get(page).context["cl"].queryset.values_list("pk", flat=True)
    admin_client.post(page, {"action": "delete_selected", "_selected_action": list(chosen), "post": "yes"})
    assert log_in(RIGHT) == 302


def test_passwords_are_kept_by_argon2_and_old_ones_still_open(settings: Any) -> None:
    settings.PASSWORD_HASHERS = importlib.import_module("wmsbridge.settings").PASSWORD_HASHERS
    assert make_password(RIGHT).startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")
    assert check_password(RIGHT, make_password(RIGHT, hasher="pbkdf2_sha256"))


def test_the_schema_is_for_staff(client: Client, admin_client: Client) -> None:
    assert client.get("/api/schema/").status_code in (401, 403)
    assert admin_client.get("/api/schema/").status_code == 200


@pytest.mark.parametrize("door", ["/webhooks/shopify/", "/webhooks/wms/north/"])
def test_options_tells_nothing(client: Client, door: str) -> None:
    answer = client.options(door)
    assert (answer.status_code, b"description" in answer.content) == (405, False)


def test_a_form_that_was_open_for_too_long_says_what_to_do(admin_user: User) -> None:
    client = Client(enforce_csrf_checks=True)
    old = {"action": "replay", "csrfmiddlewaretoken": "x" * 64}
    outside = client.post("/admin/login/", old, secure=True)
    assert (outside.status_code, b"Load it anew" in outside.content) == (403, True)
    client.force_login(admin_user)
    inside = client.post("/admin/ops/job/", old, secure=True)
    assert (inside.status_code, b"data-message" in inside.content) == (403, True)
    assert b"Load it anew" in inside.content


def test_no_page_may_use_a_device(client: Client) -> None:
    assert "camera=()" in client.get("/healthz").headers["Permissions-Policy"]


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("ALLOWED_HOSTS", ["bridge.example.com", "*"], "wmsbridge.W003"),
        ("HTTPS", False, "wmsbridge.W004"),
        ("DATA_UPLOAD_MAX_MEMORY_SIZE", -1, "wmsbridge.E007"),
        ("DATA_UPLOAD_MAX_MEMORY_SIZE", 0, "wmsbridge.E007"),
        ("ALLOW_PRIVATE_TARGETS", ["10.0.0.0/99"], "wmsbridge.E008"),
        ("ALLOW_PRIVATE_TARGETS", ["0.0.0.0/0"], "wmsbridge.W005"),
    ],
)
def test_check_complains_of(settings: Any, name: str, value: Any, found: str) -> None:
    settings.HTTPS, settings.ALLOWED_HOSTS, settings.ALLOW_PRIVATE_TARGETS = True, ["bridge.example.com"], []
    assert [each.id for each in [*checks.bounds_are_usable(), *checks.doors_are_shut()]] == []
    setattr(settings, name, value)
    assert [each.id for each in [*checks.bounds_are_usable(), *checks.doors_are_shut()]] == [found]
