"""Every address and every action, tried by everybody: who may look may look, who may change may change, nobody else."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db.models import Model
from django.test import Client

from tests.wmsbridge import everyone
from tests.wmsbridge.everyone import Place, Role

pytestmark = pytest.mark.django_db

PAGES = ("changelist", "change", "history")
World = dict[type[Model], Model]


@pytest.fixture
def world() -> World:
    return everyone.make_world()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Hundreds of refusals, each with its traceback, would take most of the time."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def expected(role: Role, place: Place) -> set[int]:
    """What looking at a page of the console must come to, by the role's rights alone."""
    if role in everyone.OUTSIDE:
        return {302}
    if place.verb in PAGES:
        return {403} if role == Role.NOBODY else {200}
    if role in (Role.NOBODY, Role.VIEWER) or place.verb in ("add", "delete", "upload"):
        return {200, 403, 405} if role == Role.ADMINISTRATOR else {403, 405}
    return {200, 302, 405}


def of_console(place: Place) -> bool:
    """Pages of models; the pages about pages (log in, log out, search, front) are everybody's who signed in."""
    return place.model is not None and bool(place.verb) and place.verb != place.name


@pytest.mark.parametrize("role", Role)
def test_every_address_answers_everybody_as_their_rights_say(role: Role, world: World) -> None:
    places = everyone.places(world)
    assert len(places) > 100
    client = everyone.visitor(role)
    before = everyone.rows_of_all_tables()
    wrong = []
    for place in places:
        if place.name in ("logout",):
            continue
        answer = client.get(place.url)
        if answer.status_code >= 500 and place.url != "/readyz":
            wrong.append(f"GET {place.url}: {answer.status_code}")
        if of_console(place) and answer.status_code not in expected(role, place):
            wrong.append(f"GET {place.url}: {answer.status_code}, not {expected(role, place)}")
        asks_first = place.url.startswith("/admin/") and place.name != "login"
        if asks_first and role in everyone.OUTSIDE and answer.status_code != 302:
            wrong.append(f"GET {place.url}: {answer.status_code} to anybody")
        if not answer.streaming and everyone.SECRET in answer.content.decode():
            wrong.append(f"GET {place.url}: shows a secret")
        if not answer.streaming and "DatabaseDefault" in answer.content.decode():
            wrong.append(f"GET {place.url}: shows what only the database knows")
    assert wrong == []
    assert everyone.rows_of_all_tables() == before


@pytest.mark.parametrize("role", Role)
def test_whoever_may_not_change_changes_nothing_by_any_address(role: Role, world: World) -> None:
    client = everyone.visitor(role)
    before = everyone.rows_of_all_tables()
    wrong = []
    for place in everyone.places(world):
        if place.name in ("logout", "login"):
            continue
        answer = client.post(place.url, {"_save": "Save", "post": "yes", "there": "1", "remote_id": "W1"})
        if answer.status_code >= 500 and place.url != "/readyz":
            wrong.append(f"POST {place.url}: {answer.status_code}")
        may_not = role in (Role.NOBODY, Role.VIEWER)
        if of_console(place) and may_not and place.verb not in PAGES and answer.status_code not in (403, 405):
            wrong.append(f"POST {place.url}: {answer.status_code} to a {role}")
        if of_console(place) and role in everyone.OUTSIDE and answer.status_code != 302:
            wrong.append(f"POST {place.url}: {answer.status_code} to anybody")
    assert wrong == []
    if role in (*everyone.OUTSIDE, Role.NOBODY, Role.VIEWER):
        assert everyone.rows_of_all_tables() == before


@pytest.mark.parametrize("role", Role)
def test_every_action_is_for_those_who_may_change(role: Role, world: World) -> None:
    client = everyone.visitor(role)
    before = everyone.rows_of_all_tables()
    wrong = []
    for model_admin in everyone.lists():
        for name in sorted(everyone.actions_of(model_admin)):
            answer = _act(client, model_admin, name, world)
            if answer.status_code >= 500:
                wrong.append(f"{model_admin}.{name}: {answer.status_code}")
            if role not in (Role.OPERATOR, Role.ADMINISTRATOR) and everyone.rows_of_all_tables() != before:
                wrong.append(f"{model_admin}.{name} acts for a {role}")
                before = everyone.rows_of_all_tables()
    assert wrong == []


def _act(client: Client, model_admin: Any, name: str, world: World) -> Any:
    label = f"{model_admin.opts.app_label}/{model_admin.opts.model_name}"
    sent = {"action": name, "_selected_action": [world[model_admin.model].pk], "sure": "1"}
    return client.post(f"/admin/{label}/", sent)


def test_no_action_is_offered_to_a_viewer(world: World) -> None:
    client = everyone.visitor(Role.VIEWER)
    offered = {}
    for model_admin in everyone.lists():
        page = client.get(f"/admin/{model_admin.opts.app_label}/{model_admin.opts.model_name}/")
        form = page.context.get("action_form")
        offered[str(model_admin)] = (
            [name for name, _ in form.fields["action"].choices if name] if form else []
        )
    assert {name: actions for name, actions in offered.items() if actions} == {}


def test_every_action_and_button_names_its_permission() -> None:
    nameless = []
    for model_admin in everyone.lists():
        for name in everyone.actions_of(model_admin) | everyone.buttons_of(model_admin):
            method = getattr(model_admin, name, None) or dict(model_admin.admin_site.actions)[name]
            if not getattr(method, "allowed_permissions", None):
                nameless.append(f"{model_admin}.{name}")
    assert nameless == []


def test_the_front_page_tells_staff_without_rights_nothing(world: World) -> None:
    page = everyone.visitor(Role.NOBODY).get("/admin/").content.decode()
    assert "data-no-rights" in page
    for told in (
        "data-metric",
        "data-orders",
        "Open alerts",
        "Lanes",
        "dead letter",
        "data-waiting",
        "wms:north",
    ):
        assert told not in page


@pytest.mark.parametrize(
    ("right", "shown"),
    [
        ("view_alert", {"Open alerts"}),
        ("view_lane", {"All lanes"}),
        ("view_order", {"data-orders", 'data-metric="order_submission_lag"'}),
        ("view_job", {'data-metric="dead_letter_depth"'}),
    ],
)
def test_the_front_page_shows_each_part_to_those_who_may_see_its_rows(
    right: str, shown: set[str], world: World
) -> None:
    client = everyone.visitor(Role.NOBODY)
    user = User.objects.get(username=Role.NOBODY)
    user.user_permissions.add(Permission.objects.get(codename=right))
    page = client.get("/admin/").content.decode()
    every = {"Open alerts", "All lanes", "data-orders", "data-metric"}
    assert {part for part in every if part in page} == {
        part for part in every if any(part in each for each in shown)
    }
    assert all(part in page for part in shown)
    assert "data-no-rights" not in page


def test_who_may_not_reads_so_in_the_console(world: World) -> None:
    client = everyone.visitor(Role.NOBODY)
    answer = client.get("/admin/ops/job/")
    assert answer.status_code == 403
    assert "Ask an administrator" in answer.content.decode()
    lost = client.get("/admin/nonsense/")
    assert lost.status_code == 404
    assert "There is no such page" in lost.content.decode()
