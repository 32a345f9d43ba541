"""GraphQL documents. Each is parsed, and checked against the schema, only once."""

from dataclasses import dataclass
from functools import lru_cache

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    OperationDefinitionNode,
    get_operation_ast,
    parse,
    validate,
)

from sandbox.shopify.graphql.schema import schema


@dataclass(frozen=True)
class Parsed:
    """A document with the errors that the check found; no document when it cannot be parsed."""

    document: DocumentNode | None
    errors: tuple[GraphQLError, ...]


@lru_cache(maxsize=500)
def prepare(query: str) -> Parsed:
    """Parses and checks a document, and remembers the result."""
    try:
        document = parse(query)
    except GraphQLError as problem:
        return Parsed(None, (problem,))
    return Parsed(document, tuple(validate(schema(), document)))


def root_fields(query: str, operation_name: str | None) -> list[str]:
    """Returns the names of the operation's root fields; [] when the document cannot be parsed."""
    operation = operation_of(query, operation_name)
    selections = operation.selection_set.selections if operation else ()
    return [node.name.value for node in selections if isinstance(node, FieldNode)]


def operation_of(query: str, name: str | None) -> OperationDefinitionNode | None:
    """Returns the operation to execute; None when there is none."""
    document = prepare(query).document
    return get_operation_ast(document, name) if document else None
