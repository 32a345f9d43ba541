"""Reading a GraphQL answer: what it cost, and whether its top-level errors are ours, Shopify's, or only "not now"."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ops.errors import JobError, Permanent, Scope, Throttled, UnknownOutcome, unanswered
from shops.budget.rate_budget import Receipt

PASSING = frozenset({"INTERNAL_SERVER_ERROR", "TIMEOUT", "SERVICE_UNAVAILABLE"})
"""Codes of trouble at Shopify's side. Errors without a code are judged by their text."""

PASSING_TEXTS = ("internal error", "timeout", "timed out", "try again")

_MOST_POINTS = 10.0**9

CONCURRENT = "IDEMPOTENCY_CONCURRENT_REQUEST"
"""Our own earlier call with this idempotency key is still under way."""


def codes_of(body: Mapping[str, Any]) -> set[str]:
    """The codes of the top-level errors."""
    return {_code(error) for error in _errors(body)}


def receipt_of(body: Mapping[str, Any]) -> Receipt:
    """`extensions.cost` as the budget wants it; whatever is missing stays unknown.

    A throttled query is not charged (its actualQueryCost is null).
    """
    cost = _mapping(_mapping(body.get("extensions")).get("cost"))
    status = _mapping(cost.get("throttleStatus"))
    charged = _figure(cost.get("actualQueryCost"))
    if "THROTTLED" in codes_of(body):
        charged = 0.0
    return Receipt(
        charged=charged,
        requested=_figure(cost.get("requestedQueryCost")),
        available=_figure(status.get("currentlyAvailable")),
        maximum=_figure(status.get("maximumAvailable")),
        restore=_figure(status.get("restoreRate")),
    )


def error_in(body: Mapping[str, Any], *, changes: bool, what: str) -> JobError | None:
    """The error an answer amounts to; None when its `data` can be used.

    Any top-level error counts, also beside data: half an answer must not look like a whole one. A mutation with an
    error beside data has happened all the same, so its outcome is to be looked up.
    """
    errors, data = _errors(body), body.get("data")
    if not errors:
        return None if isinstance(data, dict) else unanswered(f"{what}: answer without data", changes=changes)
    codes, told = codes_of(body), f"{what}: " + "; ".join(_told(error) for error in errors)[:1000]
    if "THROTTLED" in codes:
        return Throttled(told, wait=_wait(receipt_of(body)), scope=Scope.PRIORITY)
    if CONCURRENT in codes:
        return Throttled(told, wait=timedelta(seconds=2))
    if any(_passes(error) for error in errors):
        return unanswered(told, changes=changes)
    if changes and isinstance(data, dict) and any(value is not None for value in data.values()):
        return UnknownOutcome(told)
    return Permanent(told)


def _wait(receipt: Receipt) -> timedelta:
    """(requested - available) / restore rate."""
    if receipt.requested is None or receipt.available is None or not receipt.restore:
        return timedelta(seconds=1)
    seconds = (receipt.requested - receipt.available) / receipt.restore
    return timedelta(seconds=min(max(seconds, 0.1), 60.0))


def _errors(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = body.get("errors")
    if not found:
        return []
    listed = found if isinstance(found, list) else [found]
    return [error if isinstance(error, dict) else {"message": str(error)} for error in listed]


def _code(error: Mapping[str, Any]) -> str:
    return str(_mapping(error.get("extensions")).get("code") or "")


def _told(error: Mapping[str, Any]) -> str:
    path = error.get("path")
    where = f" (at {'.'.join(str(step) for step in path)})" if isinstance(path, list) else ""
    return f"{_code(error)} {error.get('message', '')}{where}".strip()


def _passes(error: Mapping[str, Any]) -> bool:
    code, message = _code(error), str(error.get("message", "")).lower()
    return code in PASSING or (not code and any(text in message for text in PASSING_TEXTS))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _figure(value: object) -> float | None:
    """A figure that can be reckoned with: JSON's whole numbers may be longer than any float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= _MOST_POINTS else None
