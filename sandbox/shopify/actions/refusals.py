"""How an action is refused."""

from typing import Any


class Refusal(Exception):
    """A user error: message, field path, code."""

    def __init__(self, message: str, *, field: list[str] | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message, self.field, self.code = message, field, code

    def error(self) -> dict[str, Any]:
        """As in userErrors."""
        return {"field": self.field, "message": self.message, "code": self.code}


class NotAllowed(Exception):
    """The state of the order does not allow it; the message is Shopify's."""
