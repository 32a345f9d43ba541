"""The rooms of the house are those of the manual: all of them, and every arrow that it draws."""

from __future__ import annotations

import re

import grimp

from tests.architecture.layers import APPS, ROOT

MANUAL = (ROOT / "docs/architecture.md").read_text().partition("## Rooms and arrows")[2].partition("\n## ")[0]
IN_EVERY_APP = {
    "alerts",
    "apps",
    "jobs",
    "models",
    "refs",
    "ids",
    "tasks",
    "admin",
    "management",
    "migrations",
}
OF_THE_PROJECT = {"settings", "urls", "asgi", "wsgi", "celery", "templatetags"}
"""What a Django project has anyway."""


def _rooms(app: str) -> set[str]:
    """The packages and modules of an app."""
    found = {
        path.stem
        for path in (ROOT / app).iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    return {name for name in found if not name.startswith("_")} - IN_EVERY_APP - OF_THE_PROJECT


def test_every_room_is_in_the_manual() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*)$", MANUAL, re.MULTILINE))
    rows["fulfillment"] = MANUAL.partition("### The rooms of fulfillment")[2].partition("\n### ")[0]
    missing = {app: _rooms(app) - set(re.findall(r"`(\w+)`", rows[app])) for app in APPS}
    assert {app: rooms for app, rooms in missing.items() if rooms} == {}


def test_every_arrow_of_the_picture_is_an_import() -> None:
    apps, _, inside = MANUAL.partition("```mermaid")[2].partition("```")[0].partition("subgraph fulfillment")
    assert re.findall(r"\w+", apps)[2:] == APPS
    arrows = re.findall(r"(\w+) --> (\w+)", inside)
    graph = grimp.build_graph("fulfillment")
    drawn = {
        (above, below): graph.find_shortest_chains(f"fulfillment.{above}", f"fulfillment.{below}")
        for above, below in arrows
    }
    assert drawn
    assert {arrow for arrow, chains in drawn.items() if not chains} == set()
