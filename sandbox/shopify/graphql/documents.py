"""GraphQL documents: each is parsed and checked against the schema once."""

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
    """A document, checked once."""

    document: DocumentNode | None
    errors: tuple[GraphQLError, ...]


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
