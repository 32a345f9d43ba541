"""Registering subscriptions: what is compared, what is sent, what staff are told."""

from __future__ import annotations

import itertools
import json
from io import StringIO
from typing import Any

import pytest
import requests
import responses
from django.core.management import CommandError, call_command

from ops.models import Alert, Job, Priority
from shops import tasks
from shops.models import Shop
from shops.webhooks import subscriptions
from shops.webhooks.subscriptions import Subscription, decide
from shops.webhooks.topics import SUBSCRIBED, TOPICS
from tests.builders import make_shop
from tests.drain import drain

BASE = "https://bridge.example.com"
URI = f"{BASE}/webhooks/shopify/"
ALL = [TOPICS[name].enum for name in SUBSCRIBED]
GRAPHQL = "https://berlin.myshopify.com/admin/api/2026-10/graphql.json"
STATUS = {"maximumAvailable": 20000, "currentlyAvailable": 20000, "restoreRate": 1000}
COST = {"requestedQueryCost": 10, "actualQueryCost": 10, "throttleStatus": STATUS}


class Subscriptions:
    """The shop's side: a list of subscriptions that the mutations change, two to a page."""

    def __init__(self, mock: responses.RequestsMock) -> None:
        self.nodes: dict[str, dict[str, Any]] = {}
        self.refuse: set[str] = set()
        self.operations: list[str] = []
        self._ids = itertools.count(1)
        mock.add_callback(responses.POST, GRAPHQL, callback=self._answer)

    def add(self, topic: str, uri: str = URI, **changes: Any) -> None:
        gid = f"gid://shopify/WebhookSubscription/{next(self._ids)}"
        plain = {"format": "JSON", "filter": "", "includeFields": [], "apiVersion": {"handle": "2026-10"}}
        self.nodes[gid] = {"id": gid, "topic": topic, "uri": uri, **plain, **changes}

    @property
    def served(self) -> dict[str, str]:
        return {node["topic"]: node["uri"] for node in self.nodes.values()}

    def _answer(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        sent = json.loads(request.body or b"")
        self.operations.append(sent["operationName"])
        act = getattr(self, "_" + sent["operationName"], self._nothing_changed)
        data = act(sent["variables"])
        return 200, {}, json.dumps({"data": data, "extensions": {"cost": COST}})

    def _nothing_changed(self, _: dict[str, Any]) -> dict[str, Any]:
        """What a backfill finds here."""
        page = {"nodes": [], "pageInfo": {"hasNextPage": False, "endCursor": None}}
        return {"orders": page, "fulfillmentOrders": page}

    def _webhook_subscriptions(self, variables: dict[str, Any]) -> dict[str, Any]:
        start = int(variables["after"] or 0)
        nodes = list(self.nodes.values())
        page = {"hasNextPage": start + 20 < len(nodes), "endCursor": str(start + 20)}
        return {"webhookSubscriptions": {"nodes": nodes[start : start + 20], "pageInfo": page}}

    def _webhook_subscription_create(self, variables: dict[str, Any]) -> dict[str, Any]:
        if variables["topic"] in self.refuse:
            return {"webhookSubscriptionCreate": {"userErrors": [{"field": None, "message": "no scope"}]}}
        self.add(variables["topic"], **variables["subscription"])
        return {"webhookSubscriptionCreate": {"userErrors": []}}

    def _webhook_subscription_update(self, variables: dict[str, Any]) -> dict[str, Any]:
        self.nodes[variables["id"]].update(variables["subscription"])
        return {"webhookSubscriptionUpdate": {"userErrors": []}}

    def _webhook_subscription_delete(self, variables: dict[str, Any]) -> dict[str, Any]:
        del self.nodes[variables["id"]]
        return {"webhookSubscriptionDelete": {"userErrors": []}}


@pytest.fixture
def remote(shopify: responses.RequestsMock, db: None) -> Subscriptions:
    return Subscriptions(shopify)


@pytest.fixture
def shop(db: None) -> Shop:
    return make_shop()


def command(**options: Any) -> str:
    out = StringIO()
    call_command("register_webhooks", stdout=out, stderr=out, **options)
    return out.getvalue()


def subscription(
    topic: str, uri: str = URI, *, gid: str = "1", plain: bool = True, version: str = "2026-10"
) -> Subscription:
    return Subscription(gid=gid, topic=topic, uri=uri, plain=plain, version=version)


def planned(*found: Subscription) -> subscriptions.Plan:
    return decide(found, uri=URI, version="2026-10")


def test_nothing_there_all_is_missing() -> None:
    assert planned().missing == tuple(ALL)


def test_all_there_nothing_to_do() -> None:
    assert not planned(*[subscription(topic) for topic in ALL])


def test_another_address_of_ours_is_corrected_and_foreign_ones_are_left_alone() -> None:
    old = subscription("ORDERS_PAID", "https://old.example.com/webhooks/shopify/")
    foreign = subscription("ORDERS_CREATE", "arn:aws:events:eu-west-1::event-source/x")
    plan = planned(old, foreign)
    assert plan.wrong == (old,)
    assert "ORDERS_CREATE" in plan.missing
    assert plan.strays == ()


def test_a_filtered_subscription_is_corrected() -> None:
    filtered = subscription("ORDERS_PAID", plain=False)
    assert planned(filtered).wrong == (filtered,)


def test_a_second_one_of_a_topic_and_topics_not_wanted_are_strays() -> None:
    right = subscription("ORDERS_PAID", gid="2")
    double = subscription("ORDERS_PAID", "https://old.example.com/webhooks/shopify/", gid="1")
    unwanted = subscription("CARTS_CREATE", gid="3")
    plan = planned(double, right, unwanted)
    assert set(plan.strays) == {double, unwanted}
    assert plan.wrong == ()


def test_bodies_of_an_older_api_version_are_brought_up_to_date_newer_ones_are_not_ours_to_choose() -> None:
    old, new = (
        subscription("ORDERS_PAID", version="2026-07"),
        subscription("ORDERS_EDITED", version="2027-01"),
    )
    plan = planned(old, new)
    assert (plan.outdated, plan.wrong, plan.strays) == ((old,), (), ())


OLD = "https://old.example.com/webhooks/shopify/"


@pytest.mark.parametrize(
    ("kept", "stray"),
    [
        ({"uri": URI, "plain": False}, {"uri": OLD}),
        ({"plain": True, "version": "2026-07"}, {"plain": False}),
        ({"version": "2026-10"}, {"version": "2026-07"}),
        ({"gid": "1"}, {"gid": "2"}),
    ],
)
def test_of_two_of_a_topic_the_one_that_needs_less_is_kept(
    kept: dict[str, Any], stray: dict[str, Any]
) -> None:
    better = subscription("ORDERS_PAID", **{"gid": "7", **kept})
    worse = subscription("ORDERS_PAID", **{"gid": "8", **stray})
    for found in ((better, worse), (worse, better)):
        assert planned(*found).strays == (worse,)
        assert "ORDERS_PAID" not in planned(*found).missing


@pytest.mark.parametrize("part", ["missing", "wrong", "outdated", "strays"])
def test_a_plan_with_anything_in_it_is_something_to_do(part: str) -> None:
    assert subscriptions.Plan(**{part: (subscription("ORDERS_PAID"),)})  # type: ignore[arg-type]
    assert not subscriptions.Plan()


@pytest.mark.parametrize(
    "changes", [{"format": "XML"}, {"filter": "id:5"}, {"includeFields": ["id"]}, {"uri": OLD}]
)
def test_a_subscription_that_leaves_anything_out_is_corrected(
    shop: Shop, remote: Subscriptions, changes: dict[str, Any]
) -> None:
    for topic in ALL:
        remote.add(topic, **(changes if topic == "ORDERS_PAID" else {}))
    assert subscriptions.register(shop, base_url=BASE).corrected == ("ORDERS_PAID",)
    node = next(node for node in remote.nodes.values() if node["topic"] == "ORDERS_PAID")
    assert (node["format"], node["filter"], node["includeFields"], node["uri"]) == ("JSON", "", [], URI)


@pytest.mark.parametrize(
    ("operation", "root", "topic", "changes"),
    [
        ("update", "Update", "ORDERS_PAID", {"uri": OLD}),
        ("update", "Update", "ORDERS_PAID", {"apiVersion": {"handle": "2026-07"}}),
        ("delete", "Delete", "CARTS_CREATE", {}),
    ],
)
def test_a_change_that_is_refused_is_reported_as_that_only(
    shop: Shop, remote: Subscriptions, operation: str, root: str, topic: str, changes: dict[str, Any]
) -> None:
    for wanted in ALL:
        remote.add(wanted, **(changes if wanted == topic else {}))
    if topic not in ALL:
        remote.add(topic)
    refusal = {f"webhookSubscription{root}": {"userErrors": [{"field": None, "message": "no"}]}}
    setattr(remote, f"_webhook_subscription_{operation}", lambda _: refusal)
    assert subscriptions.register(shop, base_url=BASE) == subscriptions.Report(refused=((topic, "no"),))


def test_registering_makes_it_so_and_again_changes_nothing(shop: Shop, remote: Subscriptions) -> None:
    remote.add("ORDERS_PAID", "https://old.example.com/webhooks/shopify/", filter="id:5")
    remote.add("CARTS_CREATE")
    report = subscriptions.register(shop, base_url=BASE)
    assert (len(report.created), report.corrected, report.removed) == (
        len(ALL) - 1,
        ("ORDERS_PAID",),
        ("CARTS_CREATE",),
    )
    assert remote.served == dict.fromkeys(ALL, URI)
    assert subscriptions.register(shop, base_url=BASE + "/") == subscriptions.Report()


def test_all_pages_are_read(shop: Shop, remote: Subscriptions) -> None:
    for topic in ALL:
        remote.add(topic)
    assert len(ALL) > 20
    assert not subscriptions.compare(shop, base_url=BASE)
    assert remote.operations == ["webhook_subscriptions"] * 2


def test_one_refused_topic_does_not_keep_the_others_out(shop: Shop, remote: Subscriptions) -> None:
    remote.refuse = {"ORDERS_CREATE"}
    assert subscriptions.register(shop, base_url=BASE).refused == (("ORDERS_CREATE", "no scope"),)
    assert len(remote.nodes) == len(ALL) - 1


def test_the_command_registers_every_active_shop(shop: Shop, remote: Subscriptions) -> None:
    make_shop("closed.myshopify.com", is_active=False)
    assert f"{len(ALL)} created" in command()
    assert remote.served == dict.fromkeys(ALL, URI)


def test_the_command_takes_another_address(shop: Shop, remote: Subscriptions) -> None:
    command(shop=shop.domain, url="https://other.example.com")
    assert set(remote.served.values()) == {"https://other.example.com/webhooks/shopify/"}


def test_check_changes_nothing_and_fails_when_something_differs(shop: Shop, remote: Subscriptions) -> None:
    with pytest.raises(CommandError, match=shop.domain):
        command(check=True)
    assert remote.nodes == {}
    command()
    assert "in order" in command(check=True)


def test_the_command_names_what_was_refused(shop: Shop, remote: Subscriptions) -> None:
    remote.refuse = {"ORDERS_CREATE"}
    with pytest.raises(CommandError):
        command()


def test_the_command_needs_an_address_and_a_known_shop(shop: Shop, settings: Any) -> None:
    with pytest.raises(CommandError, match="no active shop"):
        command(shop="unknown.myshopify.com")
    settings.PUBLIC_URL = ""
    with pytest.raises(CommandError, match="PUBLIC_URL"):
        command()


def test_every_hour_each_active_shop_is_checked_in_its_own_lane(shop: Shop) -> None:
    make_shop("closed.myshopify.com", is_active=False)
    tasks.check_subscriptions_all()
    tasks.check_subscriptions_all()
    job = Job.objects.get()
    assert (job.kind, job.lane_id, job.priority) == ("shops.check_subscriptions", shop.lane, Priority.LOW)


def test_without_a_public_address_nothing_is_checked(shop: Shop, settings: Any) -> None:
    settings.PUBLIC_URL = ""
    tasks.check_subscriptions_all()
    assert not Job.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_what_was_not_told_for_a_while_is_read_at_once(shop: Shop, remote: Subscriptions) -> None:
    def looks() -> bool:
        tasks.check_subscriptions_all()
        return "shopify.notices_lost" in drain()

    assert looks()
    assert not looks()
    gid = next(iter(remote.nodes))
    remote.nodes[gid]["apiVersion"] = {"handle": "2026-07"}
    assert not looks()
    remote.nodes[gid]["uri"] = "https://old.example.com/webhooks/shopify/"
    assert looks()
    del remote.nodes[gid]
    assert looks()


@pytest.mark.django_db(transaction=True)
def test_the_check_registers_and_tells_what_is_refused(shop: Shop, remote: Subscriptions) -> None:
    remote.refuse = {"ORDERS_CREATE"}
    tasks.check_subscriptions_all()
    drain()
    assert len(remote.nodes) == len(ALL) - 1
    assert "no scope" in Alert.objects.get(state=Alert.State.OPEN).meaning
    remote.refuse = set()
    tasks.check_subscriptions_all()
    drain()
    assert not Alert.objects.filter(state=Alert.State.OPEN).exists()
