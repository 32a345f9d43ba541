"""Every address and every action of the application, the people who try them, and what must come of it, by rule."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from axes.models import AccessAttempt
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.utils import quote
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from ops.alerting.alerts import raise_alert
from tests import builders
from wmsbridge.second_factor.models import Authenticator

SECRET = "nobody-may-ever-read-this-"
"""What every planted secret begins with; only the last four characters of one may be shown."""

NOT_COMPARED = ("django_session", "django_migrations")


class Role(StrEnum):
    """Who asks."""

    ANONYMOUS = "anonymous"
    HALF_WAY = "administrator without the code"
    NOBODY = "staff without rights"
    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"


OUTSIDE = (Role.ANONYMOUS, Role.HALF_WAY)
"""Who is not in: half way is whoever gave the password in a session and owes the code."""


def visitor(role: Role) -> Client:
    """A client of somebody in this role; not of the users whom the world holds."""
    client = Client(raise_request_exception=False)
    if role == Role.ANONYMOUS:
        return client
    user = User.objects.create_user(f"{role}", password="x", is_staff=True)
    user.is_superuser = role in (Role.ADMINISTRATOR, Role.HALF_WAY)
    user.save()
    if role == Role.HALF_WAY:
        Authenticator.objects.create(user=user, key="00" * 20, confirmed=True, confirmed_at=timezone.now())
    verbs = {Role.VIEWER: ["view_"], Role.OPERATOR: ["view_", "change_"]}.get(role, [])
    for verb in verbs:
        user.user_permissions.add(*Permission.objects.filter(codename__startswith=verb))
    client.force_login(user)
    return client


def make_world() -> dict[type[Model], Model]:
    """A row of everything that the console shows, in a situation in which it offers what it can."""
    secrets = ("client_secret", "webhook_secret", "webhook_secret_previous", "access_token")
    shop = builders.make_shop(**{name: f"{SECRET}{name}" for name in secrets})
    account = builders.make_connection(
        token=f"{SECRET}token", callback_secret=f"{SECRET}call", callback_secret_previous=f"{SECRET}back"
    )
    warehouse = builders.make_warehouse(shop, account)
    mapping = builders.make_mapping(warehouse, needs_verification=True)
    level = builders.make_level(warehouse)
    order = builders.make_order(shop, state="held", reason="wms_rejected")
    part = builders.make_wms_order(order, warehouse, outcome="unknown", wms_status="submitting")
    dead = builders.make_dead_letter()
    raise_alert("k", subject=order.subject, title="t", meaning="m", action="a")
    made: list[Model] = [shop, account, warehouse, mapping, level, order, part, dead, dead.lane]
    made += [
        builders.make_shipment(part, state="held", reason="does not fit"),
        builders.make_return(part, state="unknown"),
        builders.make_reservation(level),
        builders.make_watermark(account),
        builders.make_push_batch(shop),
        User.objects.create_user("somebody", password="x"),
        AccessAttempt.objects.create(username="somebody", ip_address="203.0.113.7", failures_since_start=5),
        Group.objects.create(name="some group"),
        PeriodicTask.objects.get(name="inventory.reconcile_all"),
    ]
    world = {type(row): row for row in made}
    world[apps.get_model("ops", "Alert")] = apps.get_model("ops", "Alert").objects.get(kind="k")
    boss = User.objects.create_superuser("boss", password="x")
    LogEntry.objects.log_actions(boss.pk, made, CHANGE, change_message="Looked at.")
    return world


def rows_of_all_tables() -> dict[str, str]:
    """A checksum of each table's rows, but for the sessions of the people who ask."""
    with connection.cursor() as cursor:
        tables = sorted(set(connection.introspection.table_names(cursor)) - set(NOT_COMPARED))
        one = "SELECT '{0}', md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {0} t"
        cursor.execute(" UNION ALL ".join(one.format(f'"{table}"') for table in tables))
        return dict(cursor.fetchall())


@dataclass(frozen=True)
class Place:
    """An address of the application. `model`: whose page of the console it is; `name`: what it is called there."""

    url: str
    name: str
    model: type[Model] | None = None

    @property
    def verb(self) -> str:
        """What of the model's it is: changelist, add, change, delete, history, or a page of its own."""
        if self.model is None:
            return ""
        return self.name.removeprefix(f"{self.model._meta.app_label}_{self.model._meta.model_name}_")


def places(world: dict[type[Model], Model]) -> list[Place]:
    """Every address that the resolver knows, filled with rows of the world."""
    return [
        place for pattern, prefix in _patterns(get_resolver(), "") for place in _of(pattern, prefix, world)
    ]


def _patterns(resolver: URLResolver, prefix: str) -> Iterator[tuple[URLPattern, str]]:
    for each in resolver.url_patterns:
        if isinstance(each, URLResolver):
            yield from _patterns(each, prefix + str(each.pattern))
        else:
            yield each, prefix


def _of(pattern: URLPattern, prefix: str, world: dict[type[Model], Model]) -> Iterator[Place]:
    owner = getattr(pattern.callback, "model_admin", None) or getattr(pattern.callback, "__self__", None)
    model = getattr(owner, "model", None) or _by_prefix(prefix)
    route = prefix + str(pattern.pattern)
    found = re.findall(r"\(\?P<(\w+)>[^)]*\)|<(?:\w+:)?(\w+)>", route)
    names = [one or other for one, other in found]
    choices = [_values(name, model, world) for name in names]
    for values in itertools.product(*choices):
        url = re.sub(r"\(\?P<\w+>[^)]*\)|<(?:\w+:)?\w+>", "{}", re.sub(r"^\^|\$$", "", route)).format(*values)
        yield Place("/" + url.replace("^", "").replace("$", "").replace("\\", ""), pattern.name or "", model)


def _by_prefix(prefix: str) -> type[Model] | None:
    parts = prefix.removeprefix("admin/").strip("/").split("/")
    return apps.get_model(parts[0], parts[1]) if prefix.startswith("admin/") and len(parts) == 2 else None


def _values(name: str, model: type[Model] | None, world: dict[type[Model], Model]) -> list[str]:
    if name in ("object_id", "pk", "id") and model is not None:
        assert model in world, (
            f"make_world() makes no {model._meta.label}: add one, its pages are not visited"
        )
        return [quote(world[model].pk)]
    if name == "app_label":
        return sorted({each._meta.app_label for each in admin.site._registry})
    return {"slug": ["north"], "url": ["nonsense"], "content_type_id": ["1"], "object_id": ["1"]}[name]


def lists() -> list[Any]:
    """All ModelAdmins."""
    return list(admin.site._registry.values())


def actions_of(model_admin: Any) -> set[str]:
    """Every action that the list or its pages could offer to anybody."""
    declared = {name if isinstance(name, str) else name.__name__ for name in model_admin.actions or ()}
    return declared | {"delete_selected"}


def buttons_of(model_admin: Any) -> set[str]:
    """What unfold shows as buttons over lists, in rows, on pages and beside «Save»."""
    groups = ("actions_list", "actions_row", "actions_detail", "actions_submit_line")
    return {
        name for group in groups for name in model_admin._extract_action_names(getattr(model_admin, group))
    }
