"""One order at a Shopify in memory, behind `execute`: answers get lost, calls come late, and none is idempotent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from unittest import mock

from fulfillment import jobs
from fulfillment.fulfillments import creation
from fulfillment.shopify import queries
from inventory.push import pushing
from ops.errors import AnswerLost, EndpointFailed, Throttled
from shops.api.client import Answer
from shops.models import Shop
from tests import workers

Json = dict[str, Any]
FAULTS = (
    *("ok", "throttled", "unreachable", "refused", "timeout_before", "timeout_after", "late"),
    *("says_nothing_before", "says_nothing_after"),
    *("hangs_before", "hangs_after", "dies_before", "dies_late", "dies_after"),
)
"""What can befall a `fulfillmentCreate`. `late`: it is carried out after its time-out; `dies_late`: after its death."""
WORK, WORK_LINE = 1, 2
"""The ids of its one fulfilment order, and of the line of that."""

LAST_PAGE = {"hasNextPage": False, "endCursor": None}


def gid(kind: str, number: int) -> str:
    return f"gid://shopify/{kind}/{number}"


@dataclass
class FakeShopify:
    """`left`: units of the one line that its one fulfilment order still asks for; `made`: the fulfilments.

    `reads`: how often it was asked for anything.
    """

    line: int
    location: int
    left: int
    reads: int = 0
    faults: list[str] = field(default_factory=list)
    made: list[Json] = field(default_factory=list)
    on_its_way: list[Json] = field(default_factory=list)

    @contextmanager
    def online(self) -> Iterator[None]:
        """The application's calls about fulfilments come here; its pushes of stock are none of our business."""
        with ExitStack() as stack:
            for caller in (creation, queries):
                stack.enter_context(mock.patch.object(caller, "execute", self.execute))
            stack.enter_context(mock.patch.object(pushing, "push"))
            # The rows know nothing of this Shopify.
            stack.enter_context(mock.patch.object(jobs.orders, "read_order"))
            yield

    def execute(self, _: Shop, operation: str, variables: Json, **__: Any) -> Answer:
        """As `shops.api.client.execute`."""
        self.reads += operation != "fulfillment_create"
        return Answer(dict(getattr(self, operation)(variables)), served_at=None)

    def arrive(self) -> None:
        """What timed out on its way is carried out after all."""
        while self.on_its_way:
            self._make(self.on_its_way.pop())

    def order_fulfillments(self, _: Json) -> Json:
        return {"order": {"fulfillments": self.made}}

    def fulfillment_orders_page(self, _: Json) -> Json:
        line = {
            "id": gid("FulfillmentOrderLineItem", WORK_LINE),
            "lineItem": {"id": gid("LineItem", self.line)},
        }
        work = {
            "id": gid("FulfillmentOrder", WORK),
            "status": "OPEN" if self.left else "CLOSED",
            "updatedAt": "2027-01-01T00:00:00Z",
            "assignedLocation": {"location": {"id": gid("Location", self.location)}},
            "lineItems": {"nodes": [{**line, "remainingQuantity": self.left}], "pageInfo": LAST_PAGE},
        }
        return {"order": {"fulfillmentOrders": {"nodes": [work], "pageInfo": LAST_PAGE}}}

    def fulfillment_create(self, variables: Json) -> Json:
        fault = self.faults.pop(0) if self.faults else "ok"
        if fault in ("late", "dies_late"):
            self.on_its_way.append(variables)
        match fault:
            case "throttled":
                raise Throttled("THROTTLED", wait=timedelta(seconds=1))
            case "unreachable":
                raise EndpointFailed("could not connect")
            case "refused":
                return {"fulfillmentCreate": {"fulfillment": None, "userErrors": [{"message": "no"}]}}
            case "says_nothing_before":
                return {"fulfillmentCreate": {"fulfillment": None, "userErrors": []}}
            case "timeout_before" | "late":
                raise AnswerLost("timed out")
            case "hangs_before":
                workers.hang()
            case "dies_before" | "dies_late":
                workers.die()
        answer = self._make(variables)
        match fault:
            case "says_nothing_after":
                return {"fulfillmentCreate": None}
            case "timeout_after":
                raise AnswerLost("timed out")
            case "hangs_after":
                workers.hang()
            case "dies_after":
                workers.die()
        return {"fulfillmentCreate": answer}

    def _make(self, variables: Json) -> Json:
        wanted = variables["fulfillment"]
        (work,) = wanted["lineItemsByFulfillmentOrder"]
        (line,) = work["fulfillmentOrderLineItems"]
        ids, units = (work["fulfillmentOrderId"], line["id"]), line["quantity"]
        if ids != (gid("FulfillmentOrder", WORK), gid("FulfillmentOrderLineItem", WORK_LINE)):
            return {"fulfillment": None, "userErrors": [{"message": "Fulfillment order does not exist."}]}
        if units > self.left:
            return {"fulfillment": None, "userErrors": [{"message": "more than it asks for"}]}
        self.left -= units
        line = {"quantity": units, "lineItem": {"id": gid("LineItem", self.line)}}
        tracking = wanted["trackingInfo"] or {}
        fulfillment = {
            "id": gid("Fulfillment", self.line * 10 + len(self.made)),
            "status": "SUCCESS",
            "trackingInfo": [{"number": tracking["number"]}] if tracking else [],
            "fulfillmentLineItems": {"nodes": [line], "pageInfo": LAST_PAGE},
        }
        self.made.append(fulfillment)
        return {"fulfillment": fulfillment, "userErrors": []}
