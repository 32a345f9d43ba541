"""Reads a GraphQL answer: its cost, and whether its errors are ours, Shopify's, or only mean to try later."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ops.errors import JobError, Permanent, Scope, Throttled, UnknownOutcome, unanswered
from shops.budget.rate_budget import CostReport

PASSING = frozenset({"INTERNAL_SERVER_ERROR", "TIMEOUT", "SERVICE_UNAVAILABLE"})
"""Error codes that mean a temporary problem at Shopify. If an error has no code, its text is compared."""

PASSING_TEXTS = ("internal error", "timeout", "timed out", "try again")

_MOST_POINTS = 10.0**9

CONCURRENT = "IDEMPOTENCY_CONCURRENT_REQUEST"
"""Our earlier call with the same idempotency key is still in progress."""


def codes_of(body: Mapping[str, Any]) -> set[str]:
    """Return the codes of the top-level errors."""
    return {_code(error) for error in _errors(body)}


def cost_of(body: Mapping[str, Any]) -> CostReport:
    """Return `extensions.cost` for the budget; missing values are None.

    A throttled query is not charged (its actualQueryCost is null).
    """
    cost = _mapping(_mapping(body.get("extensions")).get("cost"))
    status = _mapping(cost.get("throttleStatus"))
    charged = _number(cost.get("actualQueryCost"))
    if "THROTTLED" in codes_of(body):
        charged = 0.0
    return CostReport(
        charged=charged,
        requested=_number(cost.get("requestedQueryCost")),
        available=_number(status.get("currentlyAvailable")),
        maximum=_number(status.get("maximumAvailable")),
        restore=_number(status.get("restoreRate")),
    )


def error_in(body: Mapping[str, Any], *, changes: bool, what: str) -> JobError | None:
    """Return the error of an answer; None if its `data` can be used.

    A top-level error counts even if there is data, because the data may be incomplete. A mutation with an error and
    data may have happened, so its outcome is unknown and must be looked up.
    """
    errors, data = _errors(body), body.get("data")
    if not errors:
        return None if isinstance(data, dict) else unanswered(f"{what}: answer without data", changes=changes)
    codes, message = codes_of(body), f"{what}: " + "; ".join(_text(error) for error in errors)[:1000]
    if "THROTTLED" in codes:
        return Throttled(message, wait=_wait(cost_of(body)), scope=Scope.PRIORITY)
    if CONCURRENT in codes:
        return Throttled(message, wait=timedelta(seconds=2))
    if any(_is_temporary(error) for error in errors):
        return unanswered(message, changes=changes)
    if changes and isinstance(data, dict) and any(value is not None for value in data.values()):
        return UnknownOutcome(message)
    return Permanent(message)


def _wait(cost: CostReport) -> timedelta:
    """Compute when the bucket has enough points: (requested - available) / restore rate."""
    if cost.requested is None or cost.available is None or not cost.restore:
        return timedelta(seconds=1)
    seconds = (cost.requested - cost.available) / cost.restore
    return timedelta(seconds=min(max(seconds, 0.1), 60.0))


def _errors(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the top-level errors, also if Shopify sends a text instead of a list of objects."""
    found = body.get("errors")
    if not found:
        return []
    listed = found if isinstance(found, list) else [found]
    return [error if isinstance(error, dict) else {"message": str(error)} for error in listed]


def _code(error: Mapping[str, Any]) -> str:
    return str(_mapping(error.get("extensions")).get("code") or "")


def _text(error: Mapping[str, Any]) -> str:
    """Return an error as code, message and path."""
    path = error.get("path")
    where = f" (at {'.'.join(str(step) for step in path)})" if isinstance(path, list) else ""
    return f"{_code(error)} {error.get('message', '')}{where}".strip()


def _is_temporary(error: Mapping[str, Any]) -> bool:
    """Whether an error is a temporary problem at Shopify, by its code or, without one, by its text."""
    code, message = _code(error), str(error.get("message", "")).lower()
    return code in PASSING or (not code and any(text in message for text in PASSING_TEXTS))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> float | None:
    """Return a number that is safe to compute with, else None: a whole number in JSON may be too large for a float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= _MOST_POINTS else None
