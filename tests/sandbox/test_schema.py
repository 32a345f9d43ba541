"""The pruned schema is complete: every field that it offers gives an answer of its type."""

from pathlib import Path

import pytest
from graphql import (
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    get_named_type,
    is_leaf_type,
    is_required_argument,
)

from tests.sandbox.clients import ShopClient, gid

SCHEMA = Path(__file__).parents[2] / "sandbox" / "shopify" / "graphql" / "schema.graphql"
ARGUMENTS = {
    "quantities": '(names: ["available", "on_hand", "committed"])',
    "inventoryLevel": '(locationId: "gid://shopify/Location/101")',
}


def selection(kind: GraphQLObjectType, depth: int) -> str:
    """Returns a selection of every field of a type, with everything below it."""
    parts = []
    for name, field in kind.fields.items():
        below = get_named_type(field.type)
        arguments = (
            ARGUMENTS.get(name, "")
            if kind.name != "Location"
            else '(inventoryItemId: "gid://shopify/InventoryItem/301")'
        )
        if below.name.endswith("Connection"):
            arguments = "(first: 2)"
        if is_leaf_type(below):
            parts.append(name)
        elif depth and isinstance(below, GraphQLObjectType):
            required = any(is_required_argument(each) for each in field.args.values())
            shown = arguments if required or "first" in arguments else ""
            parts.append(f"{name}{shown} {{ {selection(below, depth - 1)} }}")
    return " ".join(parts) or "__typename"


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema(SCHEMA.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("Order", None),
        ("FulfillmentOrder", None),
        ("Fulfillment", None),
        ("Location", 101),
        ("ProductVariant", 201),
        ("InventoryItem", 301),
        ("WebhookSubscription", None),
    ],
)
def test_every_field_answers(shop: ShopClient, schema: GraphQLSchema, kind: str, number: int | None) -> None:
    order = shop.place((201, 2), hold=None)
    [each] = shop.routed(order)
    wanted = [{"id": each["lineItems"]["nodes"][0]["id"], "quantity": 1}]
    made = shop.fulfill({"fulfillmentOrderId": each["id"], "fulfillmentOrderLineItems": wanted})[
        "fulfillment"
    ]
    subscribe = (
        'mutation { webhookSubscriptionCreate(topic: ORDERS_PAID, webhookSubscription: {uri: "http://127.0.0.1:1/x"})'
        " { webhookSubscription { id } } }"
    )
    hook = shop.data(subscribe)["webhookSubscriptionCreate"]["webhookSubscription"]["id"]
    ids = {
        "Order": gid("Order", order["id"]),
        "FulfillmentOrder": each["id"],
        "Fulfillment": made["id"],
        "WebhookSubscription": hook,
    }
    found = schema.type_map[kind]
    assert isinstance(found, GraphQLObjectType)
    query = f"query($id: ID!) {{ node(id: $id) {{ id ... on {kind} {{ {selection(found, 3)} }} }} }}"
    answer = shop.data(query, {"id": ids.get(kind) or gid(kind, number)})
    assert answer["node"]["id"]


def test_the_idempotent_directive_is_part_of_it(schema: GraphQLSchema) -> None:
    directive = schema.get_directive("idempotent")
    assert directive
    assert str(directive.args["key"].type) == "String!"
