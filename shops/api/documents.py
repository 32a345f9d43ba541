"""The product's GraphQL documents: one operation a file in `graphql/`, named like the operation in it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "graphql"


@dataclass(frozen=True)
class Document:
    """One operation, ready to be sent."""

    name: str  # as in the document
    text: str
    is_mutation: bool
    page_sizes: frozenset[str]  # variables that say how much is read, and so what it costs
    digest: str  # changes with the text: what was learned about an older text's cost no longer holds


@cache
def load(operation: str) -> Document:
    """The document of `graphql/<operation>.graphql`, read once per process.

    The operation in it has the file's name, in snake_case or CamelCase. Raises FileNotFoundError for an unknown
    operation, ValueError when the file does not hold exactly that one.
    """
    text = (FOLDER / f"{operation}.graphql").read_text()
    found = re.findall(r"^(query|mutation|subscription)\s+(\w+)", text, re.MULTILINE)
    if [_plain(name) for _, name in found] != [_plain(operation)]:
        raise ValueError(f"{operation}.graphql must hold exactly one operation, named {operation}")
    return Document(
        name=found[0][1],
        text=text,
        is_mutation=found[0][0] == "mutation",
        page_sizes=frozenset(re.findall(r"\b(?:first|last):\s*\$(\w+)", text)),
        digest=hashlib.sha256(text.encode()).hexdigest()[:8],
    )


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
