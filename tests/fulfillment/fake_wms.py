"""A WMS in memory, behind the adapter's interface, that loses answers, dies in mid-call and is late."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from ops.errors import Permanent, Throttled, Transient, UnknownOutcome
from tests.fulfillment.scene import LATER
from wms.adapters.base import (
    CancelAnswer,
    Capability,
    OrderAnswer,
    OrderRequest,
    ReturnAnswer,
    ReturnRequest,
    StockPage,
    UpdateAnswer,
)
from wms.statuses import WmsStatus

GONE = ("packed", "shipped")


class Killed(BaseException):
    """The worker is gone, at this very place."""


@dataclass
class FakeWms:
    """`faults`: what goes wrong with the next calls, in turn. `on_its_way`: requests that come after their time-out."""

    capabilities: frozenset[Capability]
    faults: list[str] = field(default_factory=list)
    statuses: dict[str, str] = field(default_factory=dict)
    externals: dict[str, str] = field(default_factory=dict)
    on_its_way: list[OrderRequest] = field(default_factory=list)
    returns: set[str] = field(default_factory=set)
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def live(self) -> list[str]:
        """Orders that were not cancelled."""
        return [order for order, status in self.statuses.items() if status != "cancelled"]

    def arrive(self) -> None:
        """What timed out on its way is carried out after all."""
        while self.on_its_way:
            self._take_in(self.on_its_way.pop())

    def create_order(self, request: OrderRequest) -> OrderAnswer:
        fault = self._before()
        if fault == "late":
            self.on_its_way.append(request)
            raise UnknownOutcome("timed out", endpoint=True)
        if fault == "refused":
            raise Permanent("422 no such street")
        order = self._take_in(request)
        self._after(fault)
        return OrderAnswer(order, WmsStatus(self.statuses[order]), self.statuses[order])

    def _take_in(self, request: OrderRequest) -> str:
        for order, external in self.externals.items():
            if external == request.external_id and Capability.IDEMPOTENT_CREATE in self.capabilities:
                return order
        order = f"W{next(self.numbers)}"
        self.statuses[order], self.externals[order] = "accepted", request.external_id
        return order

    def find_order(self, external_id: str) -> OrderAnswer | None:
        if self._before() == "refused":
            raise Permanent("404 no such page")
        found = [order for order, external in self.externals.items() if external == external_id]
        if not found:
            return None
        return OrderAnswer(found[-1], WmsStatus(self.statuses[found[-1]]), self.statuses[found[-1]])

    def cancel_order(self, wms_order_id: str, *, idempotency_key: str) -> CancelAnswer:
        fault = self._before()
        if self.statuses[wms_order_id] == "accepted":
            self.statuses[wms_order_id] = "cancelled"
        self._after(fault)
        status = self.statuses[wms_order_id]
        if status == "picking":
            return CancelAnswer(cancelled=False, status=WmsStatus.CANCEL_REQUESTED, reason="")
        return CancelAnswer(cancelled=status == "cancelled", status=WmsStatus(status), reason="")

    def create_return(self, request: ReturnRequest, *, idempotency_key: str) -> ReturnAnswer:
        self.returns.add(request.wms_order_id)
        return ReturnAnswer(f"R{request.wms_order_id}", "")

    def update_order(self, wms_order_id: str, request: OrderRequest, *, idempotency_key: str) -> UpdateAnswer:
        raise Permanent("not offered")

    def stock(self, **_: object) -> StockPage:
        return StockPage((), None)

    def _before(self) -> str:
        fault = self.faults.pop(0) if self.faults else "ok"
        match fault:
            case "killed_before":
                raise Killed
            case "unreachable":
                raise Transient("could not connect", endpoint=True)
            case "throttled":
                raise Throttled("429", wait=LATER, endpoint=True)
            case "timeout_before":
                raise UnknownOutcome("timed out", endpoint=True)
        return fault

    def _after(self, fault: str) -> None:
        match fault:
            case "killed_after":
                raise Killed
            case "timeout_after":
                raise UnknownOutcome("timed out", endpoint=True)
