"""Loads the GraphQL documents: each file in `graphql/` has one operation, with the file's name.

What several of them read of a thing is a fragment in `graphql/fragments/`, so that a further page of it is read as the
first one is.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "graphql"
FRAGMENTS = FOLDER / "fragments"


@dataclass(frozen=True)
class Document:
    """One operation, ready to be sent."""

    name: str  # as in the document
    text: str
    is_mutation: bool
    page_sizes: frozenset[str]  # the variables that set the page sizes, and so the cost
    digest: str  # changes with the text, so that the cost of an older text is not used for a newer one


@cache
def load(operation: str) -> Document:
    """Return the document of `graphql/<operation>.graphql`, which is read once per process.

    Its operation has the file's name, in snake_case or CamelCase. Raises FileNotFoundError for an unknown operation,
    and ValueError if the file does not have exactly this operation.
    """
    text = _with_fragments((FOLDER / f"{operation}.graphql").read_text())
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


def _with_fragments(text: str) -> str:
    """Return an operation with the fragments that it names, and that these name, each once."""
    fragments = {_plain(file.stem): file.read_text() for file in FRAGMENTS.glob("*.graphql")}
    parts: dict[str, str] = {}
    pending = [text]
    while pending:
        for name in re.findall(r"\.\.\.(\w+)", pending.pop()):
            if name not in parts:
                parts[name] = fragments[_plain(name)]
                pending.append(parts[name])
    return "".join([text, *(parts[name] for name in sorted(parts))])


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
