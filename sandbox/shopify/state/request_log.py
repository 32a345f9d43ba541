"""What the API of a shop was asked, and what it refused."""

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass
class RequestLog:
    """Counts the requests to one shop, and keeps its mutations and its newest errors.

    `requests` are counted by root field; `calls` and `charged`, the points that they cost, by the operation's name.
    """

    requests: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    charged: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    invalid: int = 0
    unauthorised: int = 0
    throttled: int = 0
    rest_429: int = 0
    tokens_issued: int = 0
    errors: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=100))
    mutations: list[dict[str, Any]] = field(default_factory=list)

    def note(self, operation: str, *, points: int) -> None:
        """Notes a call that was answered, and the points that it cost."""
        self.calls[operation] += 1
        self.charged[operation] += points

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
