"""What a person must know to find an order, or a return, in a WMS whose answer was lost."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from fulfillment.models import Return, WmsOrder
from fulfillment.wms_orders import attempts
from ops.models import JobAttempt
from ops.text.masking import mask_text


@dataclass(frozen=True)
class PendingDecision:
    """A decision that a person has to take. `details`: names and values, first those that help to find the thing."""

    question: str
    asked_at: datetime | None
    details: list[tuple[str, str]]

    @property
    def absence_certain_at(self) -> datetime | None:
        """The end of the settle time: before, the request may still arrive. None once that time is over."""
        at = self.asked_at + attempts.SETTLE_TIME if self.asked_at else None
        return at if at and at > timezone.now() else None


def of_order(row: WmsOrder, *, with_personal_data: bool) -> PendingDecision:
    """The decision whether a WMS has an order. `row` must have its order, warehouse and connection."""
    order = row.order
    goods = ", ".join(map(str, row.lines.order_by("id")))
    details = [
        ("Look for", row.external_id),
        ("or for the reference", row.external_ref),
        *_warehouse(row),
        ("Items", goods),
    ]
    if with_personal_data and order.ship_to:
        address = json.loads(order.ship_to)
        details.append(
            ("Goes to", ", ".join(filter(None, map(address.get, ("name", "zip", "city", "country")))))
        )
    return PendingDecision(
        question=f"Does {row.warehouse.connection.slug} have order {order.name}?",
        asked_at=row.attempt_at,
        details=[*details, *_attempts_made(f"submit:{row.external_id}", times=row.attempt)],
    )


def of_return(row: Return) -> PendingDecision:
    """The decision whether a WMS expects a return. `row` must have its WMS order, with warehouse and connection."""
    part = row.wms_order
    goods = ", ".join(map(str, row.lines.order_by("id")))
    return PendingDecision(
        question=f"Does {part.warehouse.connection.slug} expect the return of order {part.order.name}?",
        asked_at=row.attempt_at,
        details=[
            ("Look for returns of", part.remote_id),
            ("which we call", part.external_id),
            *_warehouse(part),
            ("Items", goods),
            *_attempts_made(f"return:{row.external_id}"),
        ],
    )


def _warehouse(row: WmsOrder) -> list[tuple[str, str]]:
    return [("Where", row.warehouse.place)]


def _attempts_made(key: str, *, times: int = 0) -> list[tuple[str, str]]:
    """How often it was sent, and the error of the last run of the job with this key whose outcome is unknown."""
    runs = JobAttempt.objects.filter(job__key=key, outcome=JobAttempt.Outcome.UNKNOWN)
    last = runs.order_by("-id").first()
    details = [("Sent", f"{times} times" if times > 1 else "once")] if times else []
    return [*details, ("What went wrong", mask_text(last.error))] if last else details
