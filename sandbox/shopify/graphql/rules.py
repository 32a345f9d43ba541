"""Run-time rules that no schema shows: @idempotent, changeFromQuantity, the 250 limit, well-formed ids."""

import json
from typing import Any

from graphql import (
    DirectiveNode,
    FieldNode,
    GraphQLError,
    ListValueNode,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    ValueNode,
    VariableNode,
    value_from_ast_untyped,
)

from sandbox.shopify.state.shop import Shop

MAX_INPUT = 250
LONGER = {"fulfillmentOrderLineItems": 512}
NEEDS_KEY = {"inventorySetQuantities", "inventoryActivate"}
MISSING = object()


class Violation(GraphQLError):
    """A top-level error with a code."""

    def __init__(self, message: str, code: str, *nodes: FieldNode, **extra: Any) -> None:
        super().__init__(message, list(nodes) or None, extensions={"code": code, **extra})


def raw(value: ValueNode, variables: dict[str, Any]) -> Any:
    """The value as it was written: a key that is not there stays away, an explicit null stays null."""
    if isinstance(value, VariableNode):
        return variables.get(value.name.value, MISSING)
    if isinstance(value, NullValueNode):
        return None
    if isinstance(value, ListValueNode):
        return [raw(each, variables) for each in value.values]
    if isinstance(value, ObjectValueNode):
        fields = {each.name.value: raw(each.value, variables) for each in value.fields}
        return {name: each for name, each in fields.items() if each is not MISSING}
    return value_from_ast_untyped(value)


def raw_arguments(node: FieldNode, variables: dict[str, Any]) -> dict[str, Any]:
    """All arguments of a field as written."""
    values = {each.name.value: raw(each.value, variables) for each in node.arguments}
    return {name: value for name, value in values.items() if value is not MISSING}


def check_sizes(operation: OperationDefinitionNode, variables: dict[str, Any]) -> None:
    """No list in an argument of a root field may be longer than 250. Raises Violation."""
    for node in operation.selection_set.selections:
        if isinstance(node, FieldNode):
            walk(raw_arguments(node, variables), node, "")


def walk(value: Any, node: FieldNode, name: str) -> None:
    """Every list below a value."""
    if isinstance(value, dict):
        for key, each in value.items():
            walk(each, node, key)
    elif isinstance(value, list):
        limit = LONGER.get(name, MAX_INPUT)
        if len(value) > limit:
            message = f"The input array size of {len(value)} is greater than the maximum allowed of {limit}."
            raise Violation(message, "MAX_INPUT_SIZE_EXCEEDED", node)
        for each in value:
            walk(each, node, name)


def idempotency_key(node: FieldNode, variables: dict[str, Any]) -> str | None:
    """The key of the directive on the field; None when there is no directive. Raises Violation for an empty one."""
    directive: DirectiveNode | None = next((d for d in node.directives if d.name.value == "idempotent"), None)
    if directive is None:
        return None
    key = raw(directive.arguments[0].value, variables)
    if not isinstance(key, str) or not key.strip():
        raise Violation("The idempotency key cannot be empty.", "BAD_REQUEST", node)
    return key


def require_key(node: FieldNode, variables: dict[str, Any]) -> str | None:
    """The key of a mutation that needs one; on any other the directive has no effect, as at Shopify.

    Raises Violation (message as recorded).
    """
    if node.name.value not in NEEDS_KEY:
        return None
    key = idempotency_key(node, variables)
    if key is None:
        message = "The @idempotent directive is required for this mutation but was not provided."
        raise Violation(message, "BAD_REQUEST", node)
    return key


def require_change_from(node: FieldNode, variables: dict[str, Any]) -> None:
    """Every element must carry `changeFromQuantity`, be it null. Raises Violation (message as recorded)."""
    given = raw_arguments(node, variables).get("input") or {}
    if any("changeFromQuantity" not in each for each in given.get("quantities") or []):
        message = "InventoryQuantityInput must include the following argument: changeFromQuantity."
        raise Violation(message, "INVALID_FIELD_ARGUMENTS", node)


def parse_gid(text: str, node: FieldNode | None = None) -> tuple[str, int]:
    """(kind, number). Raises Violation for what is no gid, and for the number 0."""
    parts = str(text).split("/")
    tail = parts[-1].split("?", 1)[0]
    if len(parts) != 5 or parts[:3] != ["gid:", "", "shopify"] or not tail.isdigit() or int(tail) == 0:
        raise Violation(f"Invalid id: {text}", "RESOURCE_NOT_FOUND", *([node] if node else []))
    return parts[3], int(tail)


def remembered(shop: Shop, field_name: str, key: str | None, arguments: dict[str, Any]) -> tuple[bool, Any]:
    """(True, first result) of the same call; (True, None): the key was used for another call; (False, None): new."""
    if key is None or (field_name, key) not in shop.idempotent_results:
        return False, None
    fingerprint, result = shop.idempotent_results[field_name, key]
    return True, result if fingerprint == json.dumps(arguments, sort_keys=True) else None


def remember(shop: Shop, field_name: str, key: str | None, arguments: dict[str, Any], result: Any) -> None:
    """Keeps the result under its key."""
    if key is not None:
        shop.idempotent_results[field_name, key] = (json.dumps(arguments, sort_keys=True), result)
