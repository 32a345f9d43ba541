"""The cost of a query. An object costs 1, a scalar 0, and a mutation 10 plus what it returns.

There are two models of what a connection costs. `recorded` fits the answers that were recorded from 2026-04 with
`first` from 2 to 10: 2 + ceil(log2(first)) * node. `linear` is the cautious reading of the documentation:
1 + first * node.
"""

import math
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
)

SINGLE_QUERY_LIMIT = 1000
MUTATION_COST = 10
FREE = {"userErrors", "orderCancelUserErrors", "pageInfo"}


class Requested:
    """The highest cost that an operation can have, according to its text and its variables."""

    def __init__(
        self, schema: GraphQLSchema, document: DocumentNode, variables: dict[str, Any], *, model: str
    ) -> None:
        self.schema, self.variables, self.model = schema, variables, model
        self.fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }

    def of(self, operation: OperationDefinitionNode) -> int:
        """Returns the requestedQueryCost of an operation."""
        root = self.schema.get_root_type(operation.operation)
        assert root
        if operation.operation.value != "mutation":
            return self.selection(operation.selection_set, root)
        total = 0
        for node in operation.selection_set.selections:
            if isinstance(node, FieldNode) and node.name.value in root.fields:
                payload = get_named_type(root.fields[node.name.value].type)
                total += MUTATION_COST + self.payload(node.selection_set, payload)
        return total

    def payload(self, selections: SelectionSetNode | None, payload: GraphQLNamedType) -> int:
        """Returns the cost of a mutation's payload: the payload's own objects are free, what they contain is not."""
        objects = [
            node
            for node in (selections.selections if selections else ())
            if isinstance(node, FieldNode) and node.selection_set and node.name.value not in FREE
        ]
        return self.selection(selections, payload) - len(objects)

    def selection(self, selections: SelectionSetNode | None, parent: GraphQLNamedType) -> int:
        """Returns the sum of the costs of an object's fields."""
        total = 0
        for node in selections.selections if selections else ():
            if isinstance(node, FieldNode):
                total += self.field(node, parent)
            elif isinstance(node, FragmentSpreadNode):
                fragment = self.fragments[node.name.value]
                total += self.selection(
                    fragment.selection_set, self.schema.type_map[fragment.type_condition.name.value]
                )
            elif isinstance(node, InlineFragmentNode):
                name = node.type_condition.name.value if node.type_condition else parent.name
                total += self.selection(node.selection_set, self.schema.type_map[name])
        return total

    def field(self, node: FieldNode, parent: GraphQLNamedType) -> int:
        """Returns the cost of one field with everything below it."""
        name = node.name.value
        fields = getattr(parent, "fields", {})
        if node.selection_set is None or name in FREE or name not in fields:
            return 0
        kind = get_named_type(fields[name].type)
        below = self.selection(node.selection_set, kind)
        if kind.name.endswith("Connection"):
            first = self.argument(node, "first") or self.argument(node, "last") or 1
            return (
                2 + max(1, math.ceil(math.log2(first))) * below
                if self.model == "recorded"
                else 1 + first * below
            )
        if kind.name.endswith("Edge"):
            return below
        if name == "nodes" and parent is self.schema.query_type:
            return self.argument(node, "ids") * (1 + below)
        return 1 + below

    def argument(self, node: FieldNode, name: str) -> int:
        """Returns an integer argument, or the length of a list; 0 when the argument is missing."""
        for argument in node.arguments:
            if argument.name.value != name:
                continue
            value = argument.value
            if isinstance(value, VariableNode):
                given = self.variables.get(value.name.value)
                return len(given) if isinstance(given, list) else int(given or 0)
            if isinstance(value, IntValueNode):
                return int(value.value)
            if isinstance(value, ListValueNode):
                return len(value.values)
        return 0


def actual(data: dict[str, Any] | None, *, mutation: bool) -> int:
    """Returns the actualQueryCost, counted on the data that was returned."""
    if data is None:
        return MUTATION_COST if mutation else 0
    if not mutation:
        return below(data)
    return sum(MUTATION_COST + (below(payload) if payload else 0) for payload in data.values())


def below(value: dict[str, Any]) -> int:
    """Returns the cost of an object's fields, without the object itself."""
    total = 0
    for name, each in value.items():
        if name in FREE:
            continue
        if isinstance(each, dict):
            total += 1 + below(each)
        elif isinstance(each, list):
            costs = [1 + below(item) - (name == "edges") for item in each if isinstance(item, dict)]
            total += sum(costs) if name in ("nodes", "edges") else max(costs, default=0)
    return total
