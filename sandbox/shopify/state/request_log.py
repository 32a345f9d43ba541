"""What the API was asked, and what it refused."""

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass
class RequestLog:
    """Counters and logs of one shop."""

    requests: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    invalid: int = 0
    unauthorised: int = 0
    throttled: int = 0
    rest_429: int = 0
    tokens_issued: int = 0
    errors: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=100))
    mutations: list[dict[str, Any]] = field(default_factory=list)

    def error(self, messages: list[str], query: str) -> None:
        """A refused request."""
        self.errors.append({"at": datetime.now(UTC).isoformat(), "messages": messages, "query": query})

    def mutation(
        self, *, field_name: str, arguments: Any, key: str | None, replayed: bool, user_errors: list[Any]
    ) -> None:
        """A mutation that was carried out (or replayed)."""
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
