"""What a person needs to know in order to find an order, or a return, in a WMS that did not answer."""

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
class Doubt:
    """What is in question. `facts`: name and value, those that help to find it first."""

    question: str
    asked_at: datetime | None
    facts: list[tuple[str, str]]

    @property
    def settles_at(self) -> datetime | None:
        """Until then it may still arrive, so that nobody can say that it is not there; None once that is over."""
        at = self.asked_at + attempts.SETTLE_TIME if self.asked_at else None
        return at if at and at > timezone.now() else None


def of_order(row: WmsOrder, *, with_personal_data: bool) -> Doubt:
    """Whether a WMS has an order. `row` has its order, warehouse and connection."""
    order = row.order
    goods = ", ".join(map(str, row.lines.order_by("id")))
    facts = [
        ("Look for", row.external_id),
        ("or for the reference", row.external_ref),
        *_where(row),
        ("Items", goods),
    ]
    if with_personal_data and order.ship_to:
        address = json.loads(order.ship_to)
        facts.append(
            ("Goes to", ", ".join(filter(None, map(address.get, ("name", "zip", "city", "country")))))
        )
    return Doubt(
        question=f"Does {row.warehouse.connection.slug} have order {order.name}?",
        asked_at=row.attempt_at,
        facts=[*facts, *_tried(f"submit:{row.external_id}", times=row.attempt)],
    )


def of_return(row: Return) -> Doubt:
    """Whether a WMS expects a return. `row` has its WMS order, with warehouse and connection."""
    part = row.wms_order
    goods = ", ".join(map(str, row.lines.order_by("id")))
    return Doubt(
        question=f"Does {part.warehouse.connection.slug} expect the return of order {part.order.name}?",
        asked_at=row.attempt_at,
        facts=[
            ("Look for returns of", part.remote_id),
            ("which we call", part.external_id),
            *_where(part),
            ("Items", goods),
            *_tried(f"return:{row.external_id}"),
        ],
    )


def _where(row: WmsOrder) -> list[tuple[str, str]]:
    warehouse = row.warehouse
    return [("Where", warehouse.place)]


def _tried(key: str, *, times: int = 0) -> list[tuple[str, str]]:
    """How often it was sent, and what came of it, by the failed runs of the job with this key."""
    runs = JobAttempt.objects.filter(job__key=key, outcome=JobAttempt.Outcome.UNKNOWN)
    last = runs.order_by("-id").first()
    facts = [("Sent", f"{times} times" if times > 1 else "once")] if times else []
    return [*facts, ("What went wrong", mask_text(last.error))] if last else facts
