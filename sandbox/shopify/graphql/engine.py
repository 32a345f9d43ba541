"""Executes GraphQL requests, and applies the costs and the limits."""

from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    OperationDefinitionNode,
    execute_sync,
)

from sandbox.shopify.graphql.cost import SINGLE_QUERY_LIMIT, Requested, actual
from sandbox.shopify.graphql.documents import operation_of, prepare, root_fields
from sandbox.shopify.graphql.rules import check_sizes
from sandbox.shopify.graphql.schema import schema
from sandbox.shopify.state.shop import Shop
from sandbox.shopify.world import World


@dataclass(frozen=True)
class Call:
    """The context of one execution, which every resolver gets."""

    world: World
    shop: Shop
    version: str
    variables: dict[str, Any]


def run(call: Call, query: str, operation_name: str | None) -> dict[str, Any]:
    """Answers one request: it checks the document, the costs and the sizes, and executes the operation.

    The shop's bucket pays for it and the shop's log notes it.
    """
    shop, parsed = call.shop, prepare(query)
    operation = operation_of(query, operation_name)
    if parsed.errors or parsed.document is None or operation is None:
        return invalid(shop, query, list(parsed.errors) or [GraphQLError("No operation to execute")])
    cost = Requested(schema(), parsed.document, call.variables, model=shop.cost_model).of(operation)
    if cost > SINGLE_QUERY_LIMIT:
        return too_expensive(shop, query, cost)
    if not shop.bucket.take(cost):
        shop.log.throttled += 1
        return throttled(shop, cost)
    for name in root_fields(query, operation_name):
        shop.log.requests[name] += 1
    answer = execute(call, parsed.document, operation, query)
    spent = actual(answer.get("data"), mutation=operation.operation.value == "mutation")
    shop.bucket.give_back(max(0, cost - spent))
    shop.log.note(operation.name.value if operation.name else "", points=min(spent, cost))
    answer["extensions"] = {"cost": cost_report(shop, cost, min(spent, cost))}
    return answer


def execute(
    call: Call, document: DocumentNode, operation: OperationDefinitionNode, query: str
) -> dict[str, Any]:
    """Checks the sizes of the arguments and executes the operation."""
    try:
        check_sizes(operation, call.variables)
    except GraphQLError as problem:
        call.shop.log.add_error([problem.message], query)
        return {"errors": [problem.formatted]}
    name = operation.name.value if operation.name else None
    result = execute_sync(
        schema(), document, context_value=call, variable_values=call.variables, operation_name=name
    )
    answer: dict[str, Any] = {"data": result.data}
    if result.errors:
        raise_programming_error(result.errors)
        call.shop.log.add_error([each.message for each in result.errors], query)
        answer["errors"] = [formatted(each) for each in result.errors]
        if result.data is None:
            del answer["data"]
    return answer


def raise_programming_error(errors: list[GraphQLError]) -> None:
    """Raises an error that is a programming error of the sandbox, so that it looks like one."""
    for each in errors:
        if each.original_error is not None and not isinstance(each.original_error, GraphQLError):
            raise each.original_error


def formatted(problem: GraphQLError) -> dict[str, Any]:
    """Returns an error with a code. A bad value of a variable has no path and no code of its own."""
    shown: dict[str, Any] = dict(problem.formatted)
    if problem.path is None and not problem.extensions:
        shown["extensions"] = {"code": "INVALID_VARIABLE"}
    return shown


def invalid(shop: Shop, query: str, errors: list[GraphQLError]) -> dict[str, Any]:
    """Answers a document that the schema does not allow."""
    shop.log.invalid += 1
    shop.log.add_error([each.message for each in errors], query)
    return {"errors": [dict(each.formatted) for each in errors]}


def too_expensive(shop: Shop, query: str, cost: int) -> dict[str, Any]:
    """Answers MAX_COST_EXCEEDED."""
    message = f"Query cost is {cost}, which exceeds the single query max cost limit ({SINGLE_QUERY_LIMIT})."
    shop.log.add_error([message], query)
    extensions = {"code": "MAX_COST_EXCEEDED", "cost": cost, "maxCost": SINGLE_QUERY_LIMIT}
    return {"errors": [{"message": message, "extensions": extensions}]}


def throttled(shop: Shop, cost: int) -> dict[str, Any]:
    """Answers THROTTLED, which is sent with HTTP 200."""
    error = {"message": "Throttled", "extensions": {"code": "THROTTLED"}}
    return {"errors": [error], "extensions": {"cost": cost_report(shop, cost, None)}}


def cost_report(shop: Shop, requested: int, spent: int | None) -> dict[str, Any]:
    """Returns extensions.cost of an answer."""
    return {"requestedQueryCost": requested, "actualQueryCost": spent, "throttleStatus": shop.bucket.status()}
