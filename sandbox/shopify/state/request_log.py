"""What the API of a shop was asked, and what it refused."""

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass
class RequestLog:
    """Counts the requests to one shop, and keeps its mutations and its newest errors."""

    requests: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    invalid: int = 0
    unauthorised: int = 0
    throttled: int = 0
    rest_429: int = 0
    tokens_issued: int = 0
    errors: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=100))
    mutations: list[dict[str, Any]] = field(default_factory=list)

    def add_error(self, messages: list[str], query: str) -> None:
        """Notes a request that was refused."""
        self.errors.append({"at": datetime.now(UTC).isoformat(), "messages": messages, "query": query})

    def add_mutation(
        self, *, field_name: str, arguments: Any, key: str | None, replayed: bool, user_errors: list[Any]
    ) -> None:
        """Notes a mutation that was carried out or replayed."""
        self.mutations.append(
            {
                "at": datetime.now(UTC).isoformat(),
                "field": field_name,
                "arguments": arguments,
                "idempotency_key": key,
                "replayed": replayed,
                "user_errors": user_errors,
            }
        )
