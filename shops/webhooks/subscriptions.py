"""Compares the webhook subscriptions of a shop with those that it should have, and corrects them.

Shopify deletes a subscription after four hours of failed deliveries, and all of them when the app is removed. So they
are compared every hour. An app sees only its own subscriptions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import structlog

from ops.models import Priority
from shops.api import client, pages, shapes
from shops.api.shapes import PageInfo, Payload, Shape
from shops.models import Shop
from shops.webhooks.topics import SUBSCRIBED, TOPICS

logger = structlog.get_logger(__name__)

PATH = "/webhooks/shopify/"


@dataclass(frozen=True)
class Subscription:
    """One subscription as Shopify has it."""

    gid: str
    topic: str  # by its name in the GraphQL enum
    uri: str
    plain: bool  # JSON, whole bodies, no filter
    version: str  # API version of the bodies: that of the call which created or last changed the subscription


@dataclass(frozen=True)
class Plan:
    """The changes that give the shop exactly our subscriptions. Topics have their names in the GraphQL enum."""

    missing: tuple[str, ...] = ()
    wrong: tuple[Subscription, ...] = ()  # another address, or not plain
    outdated: tuple[Subscription, ...] = ()  # right, but of an older API version
    strays: tuple[Subscription, ...] = ()  # ours, but not needed

    def __bool__(self) -> bool:
        return bool(self.missing or self.wrong or self.outdated or self.strays)


@dataclass(frozen=True)
class Report:
    """The changes that were made, and those that Shopify refused: (topic, Shopify's message)."""

    created: tuple[str, ...] = ()
    corrected: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()

    @property
    def webhooks_missed(self) -> bool:
        """Whether webhooks were not sent, or sent elsewhere, until now."""
        return bool(self.created or self.corrected)


def uri_of(base_url: str) -> str:
    """Return the address to which a shop must send its webhooks."""
    return base_url.rstrip("/") + PATH


def compare(shop: Shop, *, base_url: str) -> Plan:
    """Read the shop's `webhookSubscriptions` and return what must change. Raises as `client.execute`."""
    return decide(fetch(shop), uri=uri_of(base_url), version=shop.api_version)


def register(shop: Shop, *, base_url: str) -> Report:
    """Create missing subscriptions, correct wrong ones, and remove those that are not needed. It is safe to repeat.

    Raises as `client.execute`. A refused topic is reported and does not stop the others.
    """
    uri = uri_of(base_url)
    plan = decide(fetch(shop), uri=uri, version=shop.api_version)
    report = Report()
    for (
        stray
    ) in plan.strays:  # first, because Shopify refuses a second subscription of a topic with the same address
        report = _delete(shop, stray, report=report)
    for wrong in plan.wrong:
        report = _update(shop, wrong, uri=uri, report=report, as_="corrected")
    for outdated in plan.outdated:
        report = _update(shop, outdated, uri=uri, report=report, as_="updated")
    for topic in plan.missing:
        report = _create(shop, topic, uri=uri, report=report)
    logger.info(
        "subscriptions_registered",
        shop=shop.domain,
        created=len(report.created),
        corrected=len(report.corrected),
        updated=len(report.updated),
        removed=len(report.removed),
        refused=len(report.refused),
    )
    return report


def fetch(shop: Shop) -> list[Subscription]:
    """Read all subscriptions of our app at the shop."""

    def page(after: str | None) -> _Page:
        data = client.execute(shop, "webhook_subscriptions", {"after": after}, priority=Priority.LOW).data
        return shapes.parse(_Page, data.get("webhookSubscriptions"))

    return [_subscription(node) for node in pages.all_of(page(None), page)]


def decide(found: Iterable[Subscription], *, uri: str, version: str) -> Plan:
    """Decide what must change. Subscriptions to an address with another path are not ours.

    If a subscription has a newer API version than we asked for, ours is retired; updating it would change nothing.
    """
    wanted = {TOPICS[name].enum for name in SUBSCRIBED}
    kept: dict[str, Subscription] = {}
    strays: list[Subscription] = []
    ours = [s for s in found if s.uri.endswith(PATH)]
    for subscription in sorted(ours, key=lambda s: (s.uri != uri, not s.plain, s.version < version, s.gid)):
        if subscription.topic not in wanted or subscription.topic in kept:
            strays.append(subscription)
        else:
            kept[subscription.topic] = subscription
    right = [each for each in kept.values() if each.uri == uri and each.plain]
    return Plan(
        missing=tuple(TOPICS[name].enum for name in SUBSCRIBED if TOPICS[name].enum not in kept),
        wrong=tuple(each for each in kept.values() if each not in right),
        outdated=tuple(each for each in right if each.version < version),
        strays=tuple(strays),
    )


class _Version(Shape):
    handle: str


class _Node(Shape):
    id: str
    topic: str
    uri: str
    format: str
    filter: str | None = None
    include_fields: tuple[str, ...] | None = None
    api_version: _Version


class _Page(Shape):
    nodes: tuple[_Node, ...]
    page_info: PageInfo


def _subscription(node: _Node) -> Subscription:
    return Subscription(
        gid=node.id,
        topic=node.topic,
        uri=node.uri,
        plain=node.format == "JSON" and not node.filter and not node.include_fields,
        version=node.api_version.handle,
    )


def _create(shop: Shop, topic: str, *, uri: str, report: Report) -> Report:
    variables = {"topic": topic, "subscription": {"uri": uri, "format": "JSON"}}
    data = client.execute(shop, "webhook_subscription_create", variables, priority=Priority.LOW).data
    errors = _refusal(data.get("webhookSubscriptionCreate"))
    if errors:
        return replace(report, refused=(*report.refused, (topic, errors)))
    return replace(report, created=(*report.created, topic))


def _update(
    shop: Shop, wrong: Subscription, *, uri: str, report: Report, as_: Literal["corrected", "updated"]
) -> Report:
    subscription = {"uri": uri, "format": "JSON", "filter": "", "includeFields": []}
    variables = {"id": wrong.gid, "subscription": subscription}
    data = client.execute(shop, "webhook_subscription_update", variables, priority=Priority.LOW).data
    errors = _refusal(data.get("webhookSubscriptionUpdate"))
    if errors:
        return replace(report, refused=(*report.refused, (wrong.topic, errors)))
    if as_ == "updated":
        return replace(report, updated=(*report.updated, wrong.topic))
    return replace(report, corrected=(*report.corrected, wrong.topic))


def _delete(shop: Shop, stray: Subscription, *, report: Report) -> Report:
    data = client.execute(shop, "webhook_subscription_delete", {"id": stray.gid}, priority=Priority.LOW).data
    errors = _refusal(data.get("webhookSubscriptionDelete"))
    if errors:
        return replace(report, refused=(*report.refused, (stray.topic, errors)))
    return replace(report, removed=(*report.removed, stray.topic))


def _refusal(payload: object) -> str:
    """Return Shopify's message if it refused; "" if the mutation was done."""
    return shapes.parse(Payload, payload, changes=True).messages
