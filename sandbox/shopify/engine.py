"""Executes GraphQL: the pruned schema with its resolvers, parsed documents kept, cost and limits applied."""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLEnumType,
    GraphQLEnumValue,
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    OperationDefinitionNode,
    build_schema,
    execute_sync,
    get_operation_ast,
    parse,
    validate,
)

from sandbox.shopify.cost import SINGLE_QUERY_LIMIT, Requested, actual
from sandbox.shopify.fields import KINDS, Resolver, moment, own_id
from sandbox.shopify.mutations import MUTATIONS
from sandbox.shopify.queries import QUERIES
from sandbox.shopify.reads import READS
from sandbox.shopify.rules import check_sizes
from sandbox.shopify.state import Shop
from sandbox.shopify.world import World

SCHEMA = Path(__file__).with_name("schema.graphql")


@dataclass(frozen=True)
class Call:
    """Context of one execution."""

    world: World
    shop: Shop
    version: str
    variables: dict[str, Any]


@dataclass(frozen=True)
class Parsed:
    """A document, checked once."""

    document: DocumentNode | None
    errors: tuple[GraphQLError, ...]


def plain(name: str) -> Resolver:
    """An attribute or key of the same name, in snake case."""
    snake = re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()

    def resolve(source: Any, _info: Any, **_args: Any) -> Any:
        if isinstance(source, dict):
            return source[name] if name in source else source.get(snake)
        return getattr(source, snake, None)

    return resolve


def edges(page: Any, _info: Any) -> list[dict[str, Any]]:
    """Edges of a page."""
    return [{"cursor": cursor, "node": node} for cursor, node in zip(page.cursors, page.items, strict=True)]


def resolver(owner: GraphQLObjectType, name: str) -> Resolver:
    """Explicit ones first, then what follows from the type."""
    explicit = {"QueryRoot": QUERIES, "Mutation": MUTATIONS, **READS}.get(owner.name, {})
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
    """The object type behind an interface or union."""
    return KINDS.get(type(value), "WebhookHttpEndpoint")


@lru_cache(maxsize=1)
def schema() -> GraphQLSchema:
    """The executable schema."""
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
    )  # the code exists up to 2026-07 only; answers to that version use it
    codes.values["ITEM_NOT_STOCKED_AT_LOCATION"] = GraphQLEnumValue("ITEM_NOT_STOCKED_AT_LOCATION")
    codes.__dict__.pop("_value_lookup", None)
    return built


@lru_cache(maxsize=500)
def prepare(query: str) -> Parsed:
    """Parses and validates a document once."""
    try:
        document = parse(query)
    except GraphQLError as problem:
        return Parsed(None, (problem,))
    return Parsed(document, tuple(validate(schema(), document)))


def root_fields(query: str, operation_name: str | None) -> list[str]:
    """Names of the operation's root fields; [] when the document is broken."""
    operation = operation_of(query, operation_name)
    selections = operation.selection_set.selections if operation else ()
    return [node.name.value for node in selections if isinstance(node, FieldNode)]


def operation_of(query: str, name: str | None) -> OperationDefinitionNode | None:
    """The operation to execute; None when there is none."""
    document = prepare(query).document
    return get_operation_ast(document, name) if document else None


def run(call: Call, query: str, operation_name: str | None) -> dict[str, Any]:
    """One request: validation, single-query limit, throttle, sizes, execution. The shop's bucket and books are kept."""
    shop, parsed = call.shop, prepare(query)
    operation = operation_of(query, operation_name)
    if parsed.errors or parsed.document is None or operation is None:
        return invalid(shop, query, list(parsed.errors) or [GraphQLError("No operation to execute")])
    cost = Requested(schema(), parsed.document, call.variables, model=shop.cost_model).of(operation)
    if cost > SINGLE_QUERY_LIMIT:
        return too_dear(shop, query, cost)
    if not shop.bucket.take(cost):
        shop.books.throttled += 1
        return throttled(shop, cost)
    for name in root_fields(query, operation_name):
        shop.books.requests[name] += 1
    answer = execute(call, parsed.document, operation, query)
    spent = actual(answer.get("data"), mutation=operation.operation.value == "mutation")
    shop.bucket.give_back(max(0, cost - spent))
    answer["extensions"] = {"cost": cost_report(shop, cost, min(spent, cost))}
    return answer


def execute(
    call: Call, document: DocumentNode, operation: OperationDefinitionNode, query: str
) -> dict[str, Any]:
    """Sizes, then graphql-core."""
    try:
        check_sizes(operation, call.variables)
    except GraphQLError as problem:
        call.shop.books.error([problem.message], query)
        return {"errors": [problem.formatted]}
    name = operation.name.value if operation.name else None
    result = execute_sync(
        schema(), document, context_value=call, variable_values=call.variables, operation_name=name
    )
    answer: dict[str, Any] = {"data": result.data}
    if result.errors:
        surprise(result.errors)
        call.shop.books.error([each.message for each in result.errors], query)
        answer["errors"] = [formatted(each) for each in result.errors]
        if result.data is None:
            del answer["data"]
    return answer


def surprise(errors: list[GraphQLError]) -> None:
    """A programming error of the sandbox must look like one."""
    for each in errors:
        if each.original_error is not None and not isinstance(each.original_error, GraphQLError):
            raise each.original_error


def formatted(problem: GraphQLError) -> dict[str, Any]:
    """An error with a code; a bad variable value has neither path nor code of its own."""
    shown: dict[str, Any] = dict(problem.formatted)
    if problem.path is None and not problem.extensions:
        shown["extensions"] = {"code": "INVALID_VARIABLE"}
    return shown


def invalid(shop: Shop, query: str, errors: list[GraphQLError]) -> dict[str, Any]:
    """A document that the schema does not allow."""
    shop.books.invalid += 1
    shop.books.error([each.message for each in errors], query)
    return {"errors": [dict(each.formatted) for each in errors]}


def too_dear(shop: Shop, query: str, cost: int) -> dict[str, Any]:
    """MAX_COST_EXCEEDED"""
    message = f"Query cost is {cost}, which exceeds the single query max cost limit ({SINGLE_QUERY_LIMIT})."
    shop.books.error([message], query)
    extensions = {"code": "MAX_COST_EXCEEDED", "cost": cost, "maxCost": SINGLE_QUERY_LIMIT}
    return {"errors": [{"message": message, "extensions": extensions}]}


def throttled(shop: Shop, cost: int) -> dict[str, Any]:
    """THROTTLED, to be sent with HTTP 200."""
    error = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
    return {"errors": [error], "extensions": {"cost": cost_report(shop, cost, None)}}


def cost_report(shop: Shop, requested: int, spent: int | None) -> dict[str, Any]:
    """extensions.cost"""
    return {"requestedQueryCost": requested, "actualQueryCost": spent, "throttleStatus": shop.bucket.status()}
