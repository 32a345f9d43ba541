"""Whoever looks after staff gives nobody more rights than they have, and takes over nobody who has more."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from tests.wmsbridge import everyone
from tests.wmsbridge.everyone import Role

pytestmark = pytest.mark.django_db

PASSWORD = {"password1": "a-new-long-password", "password2": "a-new-long-password", "usable_password": "true"}


@pytest.fixture
def operator() -> Client:
    """May change everything, users and groups too, and is no superuser."""
    return everyone.visitor(Role.OPERATOR)


def change(client: Client, user: User, **fields: Any) -> Any:
    """Send the person's page as a browser does, with these fields besides."""
    joined = {"date_joined_0": "2026-11-01", "date_joined_1": "08:00:00"}
    sent = (
        {"username": user.username, "first_name": "Ada", "is_active": "on", "is_staff": "on"}
        | joined
        | fields
    )
    return client.post(f"/admin/auth/user/{user.pk}/change/", sent)


def rights(user: User) -> tuple[bool, int, int]:
    user.refresh_from_db()
    return user.is_superuser, user.groups.count(), user.user_permissions.count()


def test_rights_are_not_given_by_whoever_may_change_users(operator: Client) -> None:
    more = Permission.objects.exclude(codename__regex="^(view|change)_")
    group = Group.objects.create(name="owners")
    group.permissions.set(more)
    given = {
        "is_superuser": "on",
        "groups": [group.pk],
        "user_permissions": list(more.values_list("pk", flat=True)),
    }
    for user in (User.objects.get(username=Role.OPERATOR), User.objects.create_user("new")):
        before = rights(user)
        assert change(operator, user, **given).status_code == 302
        assert rights(user) == before
        assert user.first_name == "Ada"


def test_what_a_group_may_do_is_not_said_by_whoever_may_change_groups(operator: Client) -> None:
    group = Group.objects.create(name="operators")
    User.objects.get(username=Role.OPERATOR).groups.add(group)
    sent = {"name": "our operators", "permissions": list(Permission.objects.values_list("pk", flat=True))}
    assert operator.post(f"/admin/auth/group/{group.pk}/change/", sent).status_code == 302
    group.refresh_from_db()
    assert (group.name, group.permissions.count()) == ("our operators", 0)


@pytest.mark.parametrize("is_active", [True, False])
@pytest.mark.parametrize("through", ["superuser", "permission", "group"])
def test_nobody_is_taken_over_who_has_more_rights(operator: Client, through: str, is_active: bool) -> None:
    right = Permission.objects.get(codename="delete_user")
    boss = User.objects.create_user(
        "boss", password="old", is_active=is_active, is_superuser=through == "superuser"
    )
    if through == "permission":
        boss.user_permissions.add(right)
    if through == "group":
        group = Group.objects.create(name="owners")
        group.permissions.add(right)
        boss.groups.add(group)
    assert change(operator, boss, username="mine").status_code == 403
    assert operator.post(f"/admin/auth/user/{boss.pk}/password/", PASSWORD).status_code == 403
    boss.refresh_from_db()
    assert (boss.username, boss.check_password("old")) == ("boss", True)


def test_a_colleague_with_no_more_rights_is_looked_after(operator: Client) -> None:
    colleague = User.objects.create_user("colleague", password="old")
    assert change(operator, colleague).status_code == 302
    assert operator.post(f"/admin/auth/user/{colleague.pk}/password/", PASSWORD).status_code == 302
    colleague.refresh_from_db()
    assert colleague.check_password(PASSWORD["password1"])


def test_a_superuser_gives_rights() -> None:
    client, user = everyone.visitor(Role.ADMINISTRATOR), User.objects.create_user("new")
    group = Group.objects.create(name="operators")
    assert change(client, user, is_superuser="on", groups=[group.pk]).status_code == 302
    assert rights(user) == (True, 1, 0)
    sent = {"name": "operators", "permissions": [Permission.objects.all()[0].pk]}
    assert client.post(f"/admin/auth/group/{group.pk}/change/", sent).status_code == 302
    assert group.permissions.count() == 1
