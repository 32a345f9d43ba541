"""What a door takes in: kept once, by the sender's id and by content.

An id alone proves no repetition: some systems count anew after a restart, or give none of their own to each event. The
content is compared only where the id is known already, so what is new costs one statement.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from typing import Any, TypeVar

from django.db import transaction

from ops.doors import reused_ids
from ops.doors.refusals import Door
from ops.models import Job
from ops.queue.kinds import EventKind
from ops.refs import LaneName, Subject


class Outcome(StrEnum):
    """What became of a delivery."""

    STORED = "stored"
    DUPLICATE = "duplicate"


@dataclass(frozen=True)
class DeliveredPayload:
    """What every payload that came through a door has: the digest of its content, which outlives the content when that
    is erased. Rows from before there were digests have none."""

    digest: str | None = field(default=None, kw_only=True)


D = TypeVar("D", bound=DeliveredPayload)


@dataclass(frozen=True)
class Delivery:
    """What somebody sent us. `content` is what makes it the same event when it comes again: its type and body, parsed,
    without what may differ from one attempt of the sender to the next."""

    door: Door
    sender: str  # a shop's domain, a connection's slug
    event_id: str
    content: Any
    lane: LaneName

    @property
    def key(self) -> str:
        """The key of its job, unless the id was another event's."""
        return f"{self.door}:{self.sender}:{self.event_id}"


def digest(content: Any) -> str:
    """A digest of parsed JSON: neither whitespace nor the order of names changes it. 32 hexadecimal digits."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


def keep(
    event: EventKind[D], delivery: Delivery, payload: D, *, subject: Subject, partition: str = ""
) -> tuple[Outcome, int | None]:
    """Store a delivery as a job; returns what became of it, and the job's id unless it is a duplicate.

    A known id with the same content is a duplicate. With other content it is another event, stored under a key of both;
    staff are told that the sender reuses its ids. Of what was stored before there were digests the content is not
    known: it is worked on once more, which is harmless, and nobody is told.
    """
    found = digest(delivery.content)
    stored = replace(payload, digest=found)
    enqueue = partial(event.enqueue, stored, lane=delivery.lane, subject=subject, partition=partition)
    job_id = enqueue(key=delivery.key)
    if job_id is not None:
        return Outcome.STORED, job_id
    known = Job.objects.filter(key=delivery.key).order_by().values_list("payload__digest", flat=True).first()
    if known == found:
        return Outcome.DUPLICATE, None
    with transaction.atomic():
        job_id = enqueue(key=f"{delivery.key}#{found}")
        if job_id is not None and known is not None:
            reused_ids.report_reuse(
                delivery.door, delivery.sender, event_id=delivery.event_id, lane=delivery.lane
            )
    return (Outcome.DUPLICATE if job_id is None else Outcome.STORED), job_id
