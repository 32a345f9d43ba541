"""Stores what comes to a door, once. An event is recognised by the id of the sender and by its content.

The same id alone does not prove that an event was sent twice: some systems count from 1 again after a restart, or do
not give each event an id of its own. The content is compared only if the id is known, so a new event costs one
statement.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, TypeVar

from django.db import transaction

from ops.doors import reused_ids
from ops.doors.refusals import Door
from ops.models import Job
from ops.queue.jobs import NewJob, Unchanged, Written
from ops.queue.kinds import EventKind
from ops.refs import LaneName, Subject


class Outcome(StrEnum):
    """What was done with a delivery."""

    STORED = "stored"
    DUPLICATE = "duplicate"


@dataclass(frozen=True)
class DeliveredPayload:
    """The base of all payloads that came through a door. The digest stays when the content is erased. Rows from before
    there were digests have none."""

    digest: str | None = field(default=None, kw_only=True)


D = TypeVar("D", bound=DeliveredPayload)


@dataclass(frozen=True)
class Delivery:
    """What a sender sent us. `heading` and the parsed `body` identify the event if it comes again: neither has anything
    that may differ between two attempts of the sender."""

    door: Door
    sender: str  # a shop's domain, a connection's slug
    event_id: str
    heading: Sequence[str]  # its type, for example
    body: Any
    lane: LaneName

    @property
    def key(self) -> str:
        """The key of its job, unless another event had the id already."""
        return f"{self.door}:{self.sender}:{self.event_id}"


Meaning = Callable[[Any, Delivery, Subject], NewJob | None]
"""Returns the work that a delivery means, from its payload and its subject; None if only a run can tell."""

_MEANINGS: dict[str, Meaning] = {}


def register_meaning(event: str, meaning: Meaning) -> None:
    """Let deliveries of this event kind be stored together with the work that they mean, so that they need no run."""
    _MEANINGS[event] = meaning


def digest(heading: Sequence[str], body: Any) -> str:
    """A digest of parsed JSON with its heading, of 32 hexadecimal digits. It does not depend on whitespace or on the
    order of names."""
    return _digest(heading, _canonical(body))


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _digest(heading: Sequence[str], canonical_body: str) -> str:
    whole = f"{_canonical([*heading])[:-1]},{canonical_body}]"
    return hashlib.sha256(whole.encode()).hexdigest()[:32]


def _with(payload: Mapping[str, object], body: object, *, written: str) -> dict[str, object]:
    """The payload with the body as it was written for the digest, so that it is written once."""
    return {name: Written(written) if part is body else part for name, part in payload.items()}


def keep(
    event: EventKind[D],
    delivery: Delivery,
    payload: D,
    *,
    subject: Subject,
    partition: str = "",
    provided: Unchanged,
) -> tuple[Outcome, int | None]:
    """Store a delivery as a job. Returns what was done, and the id of the job unless it is a duplicate. Raises
    RowChanged if the row of its sender is not as it was when the signature was checked.

    A known id with the same content is a duplicate. A known id with other content is another event: it is stored under
    a key of both, and staff are alerted that the sender reuses its ids. If the stored event has no digest, its content
    is not known. Then the event is processed once more, which does no harm, and raises no alert.
    """
    body = _canonical(delivery.body)
    found = _digest(delivery.heading, body)
    job = event.new(
        replace(payload, digest=found),
        key=delivery.key,
        lane=delivery.lane,
        subject=subject,
        partition=partition,
    )
    job = replace(job, payload=_with(job.payload, delivery.body, written=body))
    meaning = _MEANINGS.get(event.name)
    work = meaning(payload, delivery, subject) if meaning else None
    job_id = job.enqueue(meaning=work, provided=provided)
    if job_id is not None:
        return Outcome.STORED, job_id
    known = Job.objects.filter(key=delivery.key).order_by().values_list("payload__digest", flat=True).first()
    if known == found:
        return Outcome.DUPLICATE, None
    with transaction.atomic():
        job_id = replace(job, key=f"{delivery.key}#{found}").enqueue(meaning=work, provided=provided)
        if job_id is not None and known is not None:
            reused_ids.report_reuse(
                delivery.door, delivery.sender, event_id=delivery.event_id, lane=delivery.lane
            )
    return (Outcome.DUPLICATE if job_id is None else Outcome.STORED), job_id
