"""Every document of the product, against the simulated Shopify's copy of the schema, and two rules no schema knows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    build_schema,
    get_named_type,
    parse,
    validate,
    visit,
)

from shops.api import documents

ROOT = Path(__file__).parents[3]
DOCUMENTS = sorted(documents.FOLDER.glob("*.graphql"))
NEEDS_A_KEY = {"inventorySetQuantities", "inventoryAdjustQuantities", "inventoryActivate", "refundCreate"}
"""Mutations that must carry @idempotent from 2026-04 on (facts page 2.3); the schema calls it optional."""


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema((ROOT / "sandbox" / "shopify" / "graphql" / "schema.graphql").read_text())


def document(path: Path) -> DocumentNode:
    return parse(documents.load(path.stem).text)


def root_fields(path: Path) -> Iterator[tuple[OperationType, FieldNode]]:
    operations = [each for each in document(path).definitions if isinstance(each, OperationDefinitionNode)]
    for operation in operations:
        for field in operation.selection_set.selections:
            assert isinstance(field, FieldNode)
            yield operation.operation, field


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_a_document_is_valid(path: Path, schema: GraphQLSchema) -> None:
    assert validate(schema, document(path)) == []


def test_every_fragment_is_read_by_several_documents() -> None:
    texts = [documents.load(path.stem).text for path in DOCUMENTS]
    readers = {
        file.stem: sum(file.read_text() in text for text in texts)
        for file in documents.FRAGMENTS.glob("*.graphql")
    }
    assert {name: count for name, count in readers.items() if count < 2} == {}
    assert readers["fulfillment_order_line_fields"] == 4  # named by another fragment too


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_a_mutation_that_needs_a_key_carries_one_on_its_field(path: Path) -> None:
    for operation, field in root_fields(path):
        has_key = any(directive.name.value == "idempotent" for directive in field.directives)
        assert has_key == (operation is OperationType.MUTATION and field.name.value in NEEDS_A_KEY)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_a_mutation_asks_for_its_user_errors(path: Path) -> None:
    for operation, field in root_fields(path):
        if operation is OperationType.MUTATION:
            assert field.selection_set
            asked = {
                each.name.value for each in field.selection_set.selections if isinstance(each, FieldNode)
            }
            assert any(name.lower().endswith("usererrors") for name in asked)


def test_every_type_the_documents_use_says_what_they_read(schema: GraphQLSchema) -> None:
    """As read by hand in the full schema of 2026-10: what may be null there is where our parsers allow it."""
    seen: dict[str, str] = {}
    info = TypeInfo(schema)

    class Collect(Visitor):
        def enter_field(self, node: FieldNode, *_: object) -> None:
            parent, field = info.get_parent_type(), info.get_field_def()
            if parent is not None and field is not None:
                seen[f"{get_named_type(parent).name}.{node.name.value}"] = str(field.type)

    for path in DOCUMENTS:
        visit(document(path), TypeInfoVisitor(info, Collect()))
    recorded = dict(
        line.split(": ", 1) for line in (Path(__file__).parent / "types_2026_10.txt").read_text().splitlines()
    )
    assert seen == recorded
