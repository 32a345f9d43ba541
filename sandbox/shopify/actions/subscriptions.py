"""Webhook subscriptions made by the Admin API. Unlike Shopify, the sandbox accepts http addresses."""

from typing import Any

from sandbox.shopify.actions.refusals import Refusal
from sandbox.shopify.state.ids import new_id, number
from sandbox.shopify.state.shop import Shop, Subscription
from sandbox.shopify.state.times import now


def address(given: dict[str, Any]) -> str:
    """Returns the address in a WebhookSubscriptionInput. Raises Refusal."""
    uri = str(given.get("uri") or given.get("callbackUrl") or "")
    if not uri:
        raise Refusal("Address can't be blank", field=["webhookSubscription", "callbackUrl"])
    if not uri.startswith(("http://", "https://")):
        raise Refusal("Address is invalid", field=["webhookSubscription", "callbackUrl"])
    return uri


def check_free(shop: Shop, *, topic: str, uri: str, but: Subscription | None) -> None:
    """Checks that no other subscription has the same topic and address. Raises Refusal."""
    if any(
        each.topic == topic and each.uri == uri and each is not but for each in shop.subscriptions.values()
    ):
        raise Refusal(
            "Address for this topic has already been taken", field=["webhookSubscription", "callbackUrl"]
        )


def subscribe(shop: Shop, args: dict[str, Any], *, version: str) -> Subscription:
    """webhookSubscriptionCreate: payloads have the API version of this call. Raises Refusal."""
    given = args["webhookSubscription"]
    uri = address(given)
    check_free(shop, topic=args["topic"], uri=uri, but=None)
    each = Subscription(new_id("WebhookSubscription"), args["topic"], uri, version, name=given.get("name"))
    apply(each, given)
    shop.subscriptions[each.id] = each
    return each


def update(shop: Shop, args: dict[str, Any], *, version: str) -> Subscription:
    """webhookSubscriptionUpdate: payloads have the API version of this call from now on. Raises Refusal."""
    each, given = find(shop, args["id"]), args["webhookSubscription"]
    if given.get("uri") or given.get("callbackUrl"):
        uri = address(given)
        check_free(shop, topic=each.topic, uri=uri, but=each)
        each.uri = uri
    apply(each, given)
    each.api_version, each.updated_at = version, now()
    return each


def unsubscribe(shop: Shop, text: str) -> Subscription:
    """webhookSubscriptionDelete. Raises Refusal."""
    each = find(shop, text)
    del shop.subscriptions[each.id]
    return each


def find(shop: Shop, text: str) -> Subscription:
    """Returns the subscription with this gid. Raises Refusal when there is none."""
    each = shop.subscriptions.get(number(text))
    if each is None:
        raise Refusal("Webhook subscription does not exist", field=["id"])
    return each


def apply(each: Subscription, given: dict[str, Any]) -> None:
    """Sets the options of a WebhookSubscriptionInput."""
    each.filter = given.get("filter", each.filter)
    each.format = given.get("format") or each.format
    each.include_fields = list(given.get("includeFields") or each.include_fields)
    each.metafield_namespaces = list(given.get("metafieldNamespaces") or each.metafield_namespaces)
