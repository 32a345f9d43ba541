"""Run-time rules that the schema does not show: @idempotent, changeFromQuantity, at most 250 elements, valid ids."""

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
    """Returns a value as it was written: a missing key stays missing, and an explicit null stays null."""
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
    """Returns all arguments of a field as they were written."""
    values = {each.name.value: raw(each.value, variables) for each in node.arguments}
    return {name: value for name, value in values.items() if value is not MISSING}


def check_sizes(operation: OperationDefinitionNode, variables: dict[str, Any]) -> None:
    """Checks that no list in an argument of a root field has more than 250 elements. Raises Violation."""
    for node in operation.selection_set.selections:
        if isinstance(node, FieldNode):
            check_lists(raw_arguments(node, variables), node, "")


def check_lists(value: Any, node: FieldNode, name: str) -> None:
    """Checks every list inside a value. Raises Violation."""
    if isinstance(value, dict):
        for key, each in value.items():
            check_lists(each, node, key)
    elif isinstance(value, list):
        limit = LONGER.get(name, MAX_INPUT)
        if len(value) > limit:
            message = f"The input array size of {len(value)} is greater than the maximum allowed of {limit}."
            raise Violation(message, "MAX_INPUT_SIZE_EXCEEDED", node)
        for each in value:
            check_lists(each, node, name)


def idempotency_key(node: FieldNode, variables: dict[str, Any]) -> str | None:
    """Returns the key of the field's directive; None without a directive. Raises Violation for an empty key."""
    directive: DirectiveNode | None = next((d for d in node.directives if d.name.value == "idempotent"), None)
    if directive is None:
        return None
    key = raw(directive.arguments[0].value, variables)
    if not isinstance(key, str) or not key.strip():
        raise Violation("The idempotency key cannot be empty.", "BAD_REQUEST", node)
    return key


def require_key(node: FieldNode, variables: dict[str, Any]) -> str | None:
    """Returns the key of a mutation that needs one. On any other mutation the directive has no effect, as at Shopify.

    Raises Violation with the recorded message when the key is missing.
    """
    if node.name.value not in NEEDS_KEY:
        return None
    key = idempotency_key(node, variables)
    if key is None:
        message = "The @idempotent directive is required for this mutation but was not provided."
        raise Violation(message, "BAD_REQUEST", node)
    return key


def require_change_from(node: FieldNode, variables: dict[str, Any]) -> None:
    """Checks that every element has `changeFromQuantity`, which may be null.

    Raises Violation with the recorded message.
    """
    given = raw_arguments(node, variables).get("input") or {}
    if any("changeFromQuantity" not in each for each in given.get("quantities") or []):
        message = "InventoryQuantityInput must include the following argument: changeFromQuantity."
        raise Violation(message, "INVALID_FIELD_ARGUMENTS", node)


def parse_gid(text: str, node: FieldNode | None = None) -> tuple[str, int]:
    """Returns (kind, number) of a gid. Raises Violation for anything else, and for the number 0."""
    parts = str(text).split("/")
    tail = parts[-1].split("?", 1)[0]
    if len(parts) != 5 or parts[:3] != ["gid:", "", "shopify"] or not tail.isdigit() or int(tail) == 0:
        raise Violation(f"Invalid id: {text}", "RESOURCE_NOT_FOUND", *([node] if node else []))
    return parts[3], int(tail)


def remembered(shop: Shop, field_name: str, key: str | None, arguments: dict[str, Any]) -> tuple[bool, Any]:
    """Returns whether the key was used before, and the first result.

    The result is None when the key was used for another call.
    """
    if key is None or (field_name, key) not in shop.idempotent_results:
        return False, None
    fingerprint, result = shop.idempotent_results[field_name, key]
    return True, result if fingerprint == json.dumps(arguments, sort_keys=True) else None


def remember(shop: Shop, field_name: str, key: str | None, arguments: dict[str, Any], result: Any) -> None:
    """Remembers the result of a call under its key."""
    if key is not None:
        shop.idempotent_results[field_name, key] = (json.dumps(arguments, sort_keys=True), result)
