"""Why an order stands where it stands, in a line for people."""

from __future__ import annotations

from fulfillment.console import unsent
from fulfillment.models import Order
from fulfillment.models.states import Reason

LONGEST = 120


def why(order: Order) -> str:
    """Its reason with the detail, and what of it may not go yet while the other parts do."""
    own = _said(Reason(order.reason), order.reason_detail) or unsent.why(order)
    if not order.rest_reason or order.rest_reason == order.reason:
        return own
    rest = f"a part waits, {_said(Reason(order.rest_reason), order.rest_detail)}"
    return f"{own}; {rest}" if own else rest


def shortened(text: str) -> str:
    """For a cell of a list."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _said(reason: Reason, detail: str) -> str:
    return f"{reason.label}: {detail}".rstrip(": ") if reason else ""
