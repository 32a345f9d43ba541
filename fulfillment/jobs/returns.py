"""The job kinds of returns."""

from __future__ import annotations

from dataclasses import dataclass

from fulfillment.jobs.wms_orders import partition_of
from fulfillment.models import Return
from fulfillment.refs import ReturnPk
from ops.queue.kinds import JobKind
from ops.queue.queues import Queue
from wms.jobs import from_callback

RETURN_REPORTED = from_callback(
    "return_receipt",
    queue=Queue.CALLBACKS,
    work="book returned goods",
    if_dead="Nobody learns that the goods are back.",
)


@dataclass(frozen=True)
class ReturnPayload:
    """A return, by our key."""

    return_: ReturnPk


ANNOUNCE_RETURN = JobKind(
    "fulfillment.announce_return",
    ReturnPayload,
    queue=Queue.CANCELLATION,
    work="announce a return to the warehouse",
    if_dead="The warehouse does not expect the goods.",
)


def announce_return(row: Return) -> None:
    """Have a return announced to its warehouse."""
    ANNOUNCE_RETURN.new(
        ReturnPayload(row.id),
        key=f"return:{row.external_id}",
        lane=row.wms_order.warehouse.connection.lane,
        partition=partition_of(row.wms_order),
        subject=row.wms_order.order.subject,
    ).enqueue()
