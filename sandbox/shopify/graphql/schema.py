"""The executable schema: the pruned schema, with a resolver for every field."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLEnumValue,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
)

from sandbox.shopify.graphql.resolvers.fields import KINDS, Resolver, moment, own_id
from sandbox.shopify.graphql.resolvers.mutations import MUTATIONS
from sandbox.shopify.graphql.resolvers.queries import QUERIES
from sandbox.shopify.graphql.resolvers.types import TYPES

SCHEMA = Path(__file__).with_name("schema.graphql")


def plain(name: str) -> Resolver:
    """Returns a resolver that reads the attribute or key of the same name in snake case."""
    snake = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()

    def resolve(source: Any, _info: Any, **_args: Any) -> Any:
        if isinstance(source, dict):
            return source[name] if name in source else source.get(snake)
        return getattr(source, snake, None)

    return resolve


def edges(page: Any, _info: Any) -> list[dict[str, Any]]:
    """Returns the edges of a page."""
    return [{"cursor": cursor, "node": node} for cursor, node in zip(page.cursors, page.items, strict=True)]


def resolver(owner: GraphQLObjectType, name: str) -> Resolver:
    """Returns the resolver of a field: the explicit one, else the one that follows from the type."""
    explicit = {"QueryRoot": QUERIES, "Mutation": MUTATIONS, **TYPES}.get(owner.name, {})
    if name in explicit:
        return explicit[name]
    if owner.name.endswith("Connection"):
        return {"nodes": lambda page, _i: page.items, "edges": edges, "pageInfo": lambda page, _i: page}[name]
    if owner.name in KINDS.values():
        if name == "id":
            return own_id(owner.name)
        if name == "legacyResourceId":
            return lambda each, _i: str(each.id)
        if name.endswith("At"):
            return moment(re.sub(r"([A-Z])", r"_\1", name).lower())
    return plain(name)


def kind_of(value: Any, *_: Any) -> str:
    """Returns the object type of a value whose field is an interface or a union."""
    return KINDS.get(type(value), "WebhookHttpEndpoint")


@lru_cache(maxsize=1)
def schema() -> GraphQLSchema:
    """Builds the executable schema."""
    built = build_schema(SCHEMA.read_text(encoding="utf-8"), assume_valid=True)
    for kind in built.type_map.values():
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__"):
            for name, field in kind.fields.items():
                field.resolve = resolver(kind, name)
        elif isinstance(kind, GraphQLInterfaceType | GraphQLUnionType):
            kind.resolve_type = kind_of
    codes = built.type_map["InventorySetQuantitiesUserErrorCode"]
    assert isinstance(
        codes, GraphQLEnumType
    )  # this code exists only up to 2026-07; answers to that version use it
    codes.values["ITEM_NOT_STOCKED_AT_LOCATION"] = GraphQLEnumValue("ITEM_NOT_STOCKED_AT_LOCATION")
    codes.__dict__.pop("_value_lookup", None)
    return built
