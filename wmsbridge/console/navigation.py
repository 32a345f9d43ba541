"""The sidebar of the console. It is sorted by the questions of operators, and not by the apps of the tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib.admin import site
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from ops.models import Alert
from ops.queue import dead_letters

MOST_COUNTED = 99


def _open_alerts() -> str:
    return _capped(Alert.objects.filter(state=Alert.State.OPEN))


def _dead_letters() -> str:
    return _capped(dead_letters.waiting())


def _capped(rows: QuerySet[Any]) -> str:
    """The number of rows as text, "" for none. Counting stops soon after MOST_COUNTED."""
    count = rows.order_by().values("pk")[: MOST_COUNTED + 1].count()
    return "" if not count else str(count) if count <= MOST_COUNTED else f"{MOST_COUNTED}+"


@dataclass(frozen=True)
class Entry:
    """A link to the list of one model, perhaps filtered. `count` returns what is shown beside it, "" for nothing."""

    title: str
    icon: str
    model: str
    query: str = ""
    count: Callable[[], str] | None = None


GROUPS: list[tuple[str, list[Entry]]] = [
    (
        "What needs me?",
        [
            Entry("Alerts", "notifications_active", "ops.alert", "state__exact=open", _open_alerts),
            Entry("Dead letters", "mail_off", "ops.job", "situation=dead", _dead_letters),
            Entry("Held orders", "front_hand", "fulfillment.order", "state__exact=held"),
            Entry("Held shipments", "package_2", "fulfillment.shipment", "state__exact=held"),
            Entry("SKUs to verify", "rule", "skumap.skumapping", "needs_verification__exact=1"),
        ],
    ),
    (
        "Where is it?",
        [
            Entry("Orders", "shopping_cart", "fulfillment.order"),
            Entry("WMS orders", "forklift", "fulfillment.wmsorder"),
            Entry("Shipments", "local_shipping", "fulfillment.shipment"),
            Entry("Returns", "assignment_return", "fulfillment.return"),
            Entry("Stock levels", "inventory_2", "inventory.stocklevel"),
        ],
    ),
    (
        "How is it set up?",
        [
            Entry("Shops", "storefront", "shops.shop"),
            Entry("Connections", "cable", "wms.connection"),
            Entry("Warehouses", "warehouse", "wms.warehouse"),
            Entry("SKU mappings", "barcode", "skumap.skumapping"),
            Entry("Schedules", "schedule", "django_celery_beat.periodictask"),
        ],
    ),
    (
        "Does the machine run?",
        [
            Entry("Lanes", "route", "ops.lane"),
            Entry("Jobs", "work_history", "ops.job"),
            Entry("Access attempts", "lock", "axes.accessattempt"),
            Entry("Users", "person", "auth.user"),
            Entry("Groups", "group", "auth.group"),
        ],
    ),
]


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """The navigation for Unfold, with the lists that this user may see."""
    front = {"title": "Overview", "icon": "monitoring", "link": reverse("admin:index")}
    groups: list[dict[str, Any]] = [{"items": [front]}]
    for title, entries in GROUPS:
        items = [_item(request, entry) for entry in entries if _may_see(request, entry)]
        if items:
            groups.append({"title": title, "separator": True, "items": items})
    return groups


def account(request: HttpRequest) -> list[dict[str, str]]:
    """The menu of the user, for Unfold."""
    found = [{"title": "Second factor", "link": reverse("second-factor")}]
    if request.user.is_authenticated and request.user.has_usable_password():
        found.insert(0, {"title": "Change password", "link": reverse("admin:password_change")})
    return found


def list_url(model: str, query: str = "") -> str:
    """The address of a model's list in the admin; "" if the admin does not show the model."""
    try:
        url = reverse(f"admin:{model.replace('.', '_')}_changelist")
    except NoReverseMatch:
        return ""
    return f"{url}?{query}" if query else url


def _may_see(request: HttpRequest, entry: Entry) -> bool:
    """Whether the admin shows the model, and the user may view it."""
    shown = {each._meta.label_lower: admin for each, admin in site._registry.items()}
    return entry.model in shown and shown[entry.model].has_view_permission(request)


def _item(request: HttpRequest, entry: Entry) -> dict[str, Any]:
    """The entry as Unfold needs it, with a badge if there is something to count."""
    item: dict[str, Any] = {
        "title": entry.title,
        "icon": entry.icon,
        "link": list_url(entry.model, entry.query),
        "active": _is_active(request, entry),
    }
    if entry.count is not None and (found := entry.count()):
        item |= {"badge": found, "badge_variant": "danger", "badge_style": "solid"}
    return item


def _is_active(request: HttpRequest, entry: Entry) -> bool:
    """Whether the present page belongs to this entry. «Jobs» is not active on the page of «Dead letters»."""
    if request.path != list_url(entry.model):
        return request.path.startswith(list_url(entry.model)) and not entry.query
    here = {entry.query for _, entries in GROUPS for entry in entries if entry.query}
    current = request.META.get("QUERY_STRING", "")
    return current == entry.query if entry.query or current in here else True
