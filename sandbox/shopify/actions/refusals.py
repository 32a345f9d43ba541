"""How an action is refused."""

from typing import Any


class Refusal(Exception):
    """Raised when a mutation is refused. It becomes a user error with a message, a field path and a code."""

    def __init__(self, message: str, *, field: list[str] | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message, self.field, self.code = message, field, code

    def error(self) -> dict[str, Any]:
        """Returns the refusal as it stands in userErrors."""
        return {"field": self.field, "message": self.message, "code": self.code}


class NotAllowed(Exception):
    """Raised when the state of an order does not allow an action. The message is Shopify's own."""
