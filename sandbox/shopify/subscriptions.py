"""Webhook subscriptions made by the Admin API. Unlike Shopify the sandbox takes http addresses."""

from typing import Any

from graphql import GraphQLResolveInfo

from sandbox.shopify.fulfilment import Refusal
from sandbox.shopify.inventory import number
from sandbox.shopify.state import Shop, Subscription, gid, new_id, now
from sandbox.shopify.world import World


def address(given: dict[str, Any]) -> str:
    """The target of a WebhookSubscriptionInput. Raises Refusal."""
    uri = str(given.get("uri") or given.get("callbackUrl") or "")
    if not uri:
        raise Refusal("Address can't be blank", field=["webhookSubscription", "callbackUrl"])
    if not uri.startswith(("http://", "https://")):
        raise Refusal("Address is invalid", field=["webhookSubscription", "callbackUrl"])
    return uri


def check_free(shop: Shop, *, topic: str, uri: str, but: Subscription | None) -> None:
    """One subscription per topic and address. Raises Refusal."""
    if any(
        each.topic == topic and each.uri == uri and each is not but for each in shop.subscriptions.values()
    ):
        raise Refusal(
            "Address for this topic has already been taken", field=["webhookSubscription", "callbackUrl"]
        )


def subscribe(_world: World, shop: Shop, args: dict[str, Any], info: GraphQLResolveInfo) -> dict[str, Any]:
    """webhookSubscriptionCreate: the payload version is the version of this call."""
    given = args["webhookSubscription"]
    uri = address(given)
    check_free(shop, topic=args["topic"], uri=uri, but=None)
    each = Subscription(
        new_id("WebhookSubscription"), args["topic"], uri, info.context.version, name=given.get("name")
    )
    apply(each, given)
    shop.subscriptions[each.id] = each
    return {"webhookSubscription": each}


def update_subscription(
    _world: World, shop: Shop, args: dict[str, Any], info: GraphQLResolveInfo
) -> dict[str, Any]:
    """webhookSubscriptionUpdate"""
    each, given = find(shop, args["id"]), args["webhookSubscription"]
    if given.get("uri") or given.get("callbackUrl"):
        uri = address(given)
        check_free(shop, topic=each.topic, uri=uri, but=each)
        each.uri = uri
    apply(each, given)
    each.api_version, each.updated_at = info.context.version, now()
    return {"webhookSubscription": each}


def unsubscribe(_world: World, shop: Shop, args: dict[str, Any], _info: GraphQLResolveInfo) -> dict[str, Any]:
    """webhookSubscriptionDelete"""
    each = find(shop, args["id"])
    del shop.subscriptions[each.id]
    return {"deletedWebhookSubscriptionId": gid("WebhookSubscription", each.id)}


def find(shop: Shop, text: str) -> Subscription:
    """Raises Refusal when there is none."""
    each = shop.subscriptions.get(number(text))
    if each is None:
        raise Refusal("Webhook subscription does not exist", field=["id"])
    return each


def apply(each: Subscription, given: dict[str, Any]) -> None:
    """The options of a WebhookSubscriptionInput."""
    each.filter = given.get("filter", each.filter)
    each.format = given.get("format") or each.format
    each.include_fields = list(given.get("includeFields") or each.include_fields)
    each.metafield_namespaces = list(given.get("metafieldNamespaces") or each.metafield_namespaces)
