"""The adapter `rest` for the generic REST contract of a WMS."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import requests
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic.alias_generators import to_camel

from ops.errors import Permanent, UnknownOutcome
from ops.net import http
from ops.text.masking import mask_text
from ops.text.untrusted import misfits
from wms import alerts
from wms.adapters.base import (
    CancelAnswer,
    Capability,
    OrderAnswer,
    OrderLineRequest,
    OrderRequest,
    ReturnAnswer,
    ReturnRequest,
    StockPage,
    StockReading,
    UpdateAnswer,
)
from wms.availability import access
from wms.ids import ExternalId, RemoteOrderId, RemoteReturnId
from wms.models import Connection
from wms.refs import connection_lane
from wms.vocabulary.local_times import Moment, within, zone_named
from wms.vocabulary.statuses import parse_status

TIMEOUT = (3, 20)
"""Seconds to connect, and between two bytes of the answer: well below the 50 s of a job."""
REFUSED_STATUSES = frozenset({401, 403})
MAX_MESSAGE = 500
"""The most characters of a vendor's message that are kept."""
_REACHES = ("company", "address1", "address2", "phone", "email")

Id = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
Word = Annotated[str, Field(max_length=255)]
Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else value), Field(max_length=2000)]
Quantity = Annotated[int, Field(ge=-1_000_000_000, le=1_000_000_000)]


def _web_address(value: str) -> str:
    """Return an address only if it is http or https: staff click on it, so it must not be `javascript:`."""
    return value if value.lower().startswith(("https://", "http://")) else ""


class _Answer(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, frozen=True, coerce_numbers_to_str=True, hide_input_in_errors=True
    )


class _Order(_Answer):
    id: Id
    status: Word


class _FoundOrder(_Order):
    external_order_id: Id


class _FoundOrders(_Answer):
    orders: tuple[_FoundOrder, ...]


class _Refusal(_Answer):
    status: Text = ""
    reason: Annotated[Text, AfterValidator(mask_text)] = ""


class _Cancellation(_Refusal):
    cancelled: bool


class _Item(_Answer):
    wms_item_code: Id
    warehouse_id: Id
    available_quantity: Quantity | None = None
    on_hand_quantity: Quantity | None = None
    updated_at: Moment


class _Items(_Answer):
    items: Annotated[tuple[Any, ...], Field(max_length=10_000)]
    next_cursor: Annotated[str, Field(max_length=2000)] | None = None


class _Return(_Answer):
    id: Id
    label_url: Annotated[Text, AfterValidator(_web_address)] = ""


A = TypeVar("A", bound=_Answer)


class RestAdapter:
    """The adapter for one connection that implements the generic contract."""

    def __init__(self, connection: Connection, capabilities: frozenset[Capability]) -> None:
        self.capabilities = capabilities
        self._connection = connection
        self._slug = connection.slug
        self._base = connection.base_url.rstrip("/")
        self._token = access.token_of(connection)

    def create_order(self, request: OrderRequest) -> OrderAnswer:
        """POST /orders; 201 means that it was created, 200 that it existed already."""
        response = self._change("POST", "orders", body=_order_body(request), key=request.external_id)
        return _order_answer(self._read(response, _Order, changes=True))

    def find_order(self, external_id: ExternalId) -> OrderAnswer | None:
        """GET /orders?externalOrderId=…; a 404 is a missing endpoint here, never "no such order"."""
        self._require(Capability.FIND_ORDER)
        response = self._send("GET", "orders", params={"externalOrderId": external_id})
        found = [o for o in self._read(response, _FoundOrders).orders if o.external_order_id == external_id]
        if len({order.id for order in found}) > 1:
            raise Permanent(f"{self._slug} has {len(found)} orders with external id {external_id}")
        return _order_answer(found[0]) if found else None

    def update_order(
        self, remote_id: RemoteOrderId, request: OrderRequest, *, idempotency_key: str
    ) -> UpdateAnswer:
        """PUT /orders/{id}; 409 = too late, with the state it is in."""
        self._require(Capability.UPDATE_ORDER)
        path = f"orders/{quote(remote_id, safe='')}"
        response = self._change("PUT", path, body=_order_body(request), key=idempotency_key)
        if response.status_code == requests.codes.conflict:
            refusal = self._parse(response, _Refusal, changes=True)
            return UpdateAnswer(accepted=False, status=parse_status(refusal.status), reason=refusal.reason)
        answer = self._read(response, _Refusal, changes=True)
        return UpdateAnswer(accepted=True, status=parse_status(answer.status), reason=answer.reason)

    def cancel_order(self, remote_id: RemoteOrderId, *, idempotency_key: str) -> CancelAnswer:
        """POST /orders/{id}/cancel; a 409 without `cancelled` is a refusal like `cancelled: false`."""
        self._require(Capability.CANCEL_ORDER)
        path = f"orders/{quote(remote_id, safe='')}/cancel"
        response = self._change("POST", path, body={}, key=idempotency_key)
        if response.status_code == requests.codes.conflict:
            refusal = self._parse(response, _Refusal, changes=True)
            return CancelAnswer(cancelled=False, status=parse_status(refusal.status), reason=refusal.reason)
        answer = self._read(response, _Cancellation, changes=True)
        return CancelAnswer(
            cancelled=answer.cancelled, status=parse_status(answer.status), reason=answer.reason
        )

    def stock(self, *, updated_since: datetime | None, cursor: str | None, limit: int) -> StockPage:
        """GET /inventory; without STOCK_DELTA `updated_since` is not sent and everything is read."""
        params = {"limit": str(limit)}
        if updated_since and Capability.STOCK_DELTA in self.capabilities:
            params["updatedSince"] = updated_since.astimezone(UTC).isoformat().replace("+00:00", "Z")
        if cursor:
            params["cursor"] = cursor
        page = self._read(self._send("GET", "inventory", params=params), _Items)
        if page.next_cursor and page.next_cursor == cursor:
            raise Permanent(
                f"{self._slug} GET /inventory hands out the cursor it was given: it would never end"
            )
        readings, unread = self._readings(page.items)
        return StockPage(readings=readings, next_cursor=page.next_cursor or None, unread=unread)

    def _readings(self, items: Iterable[Any]) -> tuple[tuple[StockReading, ...], tuple[str, ...]]:
        """Return the readable items, and the errors of the others: an unreadable item does not stop the rest."""
        context = within(zone_named(self._connection.time_zone))
        read: list[StockReading] = []
        unread: list[str] = []
        for number, item in enumerate(items, start=1):
            try:
                read.append(_reading(_Item.model_validate(item, context=context)))
            except ValidationError as error:
                unread.append(
                    f"{_code_of(item) or f'item {number} of a page'}: {misfits(error, whole='body')}"
                )
        return tuple(read), tuple(unread)

    def create_return(self, request: ReturnRequest, *, idempotency_key: str) -> ReturnAnswer:
        """POST /returns; 201 means that it was created."""
        self._require(Capability.RETURNS)
        body = {
            "externalOrderId": request.external_id,
            "wmsOrderId": request.remote_order_id,
            "reason": request.reason,
            "lineItems": [_line_body(line) for line in request.lines],
        }
        response = self._change("POST", "returns", body=body, key=idempotency_key)
        answer = self._read(response, _Return, changes=True)
        return ReturnAnswer(remote_id=RemoteReturnId(answer.id), label_url=answer.label_url)

    def _require(self, capability: Capability) -> None:
        if capability not in self.capabilities:
            raise Permanent(f"connection {self._slug} has no capability {capability.value}")

    def _change(self, method: str, path: str, *, body: dict[str, Any], key: str) -> requests.Response:
        return self._send(method, path, json=body, headers={"Idempotency-Key": key}, changes=True)

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        json: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        changes: bool = False,
    ) -> requests.Response:
        response = http.send(
            method,
            f"{self._base}/{path}",
            headers={"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
            | (headers or {}),
            json=json,
            params=params,
            changes=changes,
            timeout=TIMEOUT,
            what=f"{self._slug} {method} /{path}",
            pool=connection_lane(self._slug),
        )
        if response.status_code in REFUSED_STATUSES:
            alerts.wms_refuses_credentials(self._connection, status=response.status_code)
            raise access.refused(self._connection, status=response.status_code)
        return response

    def _read(self, response: requests.Response, shape: type[A], *, changes: bool = False) -> A:
        """Return the typed body of a 2xx answer. Raises Permanent with the vendor's message for any other status."""
        if not response.ok or response.is_redirect:
            raise Permanent(f"{self._slug} answered {response.status_code}: {_message(response)}")
        return self._parse(response, shape, changes=changes)

    def _parse(self, response: requests.Response, shape: type[A], *, changes: bool) -> A:
        body = http.parse_json(response, changes=changes, what=f"{self._slug} {shape.__name__[1:].lower()}")
        try:
            return shape.model_validate(body)
        except ValidationError as error:
            raise (UnknownOutcome if changes else Permanent)(
                f"{self._slug} answered {response.status_code} outside the contract: {misfits(error, whole='body')}"
            ) from error


def _code_of(item: Any) -> str:
    """Return the code of an unreadable item; "" if it has none."""
    code = item.get("wmsItemCode") if isinstance(item, dict) else None
    return str(code)[:100] if isinstance(code, str | int) else ""


def _message(response: requests.Response) -> str:
    """Return the vendor's message, short and on one line, with the customer's data masked."""
    body = http.object_in(response) or {
        "message": response.content[: MAX_MESSAGE * 4].decode("utf-8", "replace")
    }
    words = [str(body[name])[: MAX_MESSAGE * 2] for name in ("error", "message") if body.get(name)]
    message = mask_text(" ".join(": ".join(words).split()), known=_customer_in(response.request))
    return message[:MAX_MESSAGE] or "no message"


def _customer_in(request: requests.PreparedRequest) -> list[str]:
    """Return the customer's name and contact data in our request, which an error may quote.

    City and postcode are not among them, because they often explain the error.
    """
    try:
        address = dict(jsonlib.loads(request.body or b"{}").get("shippingAddress") or {})
    except (ValueError, AttributeError, TypeError):
        return []
    name = str(address.get("name") or "")
    return [name, *name.split(), *(str(address.get(part) or "") for part in _REACHES)]


def _order_answer(order: _Order) -> OrderAnswer:
    return OrderAnswer(
        remote_id=RemoteOrderId(order.id), status=parse_status(order.status), raw_status=order.status
    )


def _reading(item: _Item) -> StockReading:
    """Return an item's stock, with 0 for negative quantities: some systems report oversold items so."""
    return StockReading(
        wms_item_code=item.wms_item_code,
        wms_warehouse_code=item.warehouse_id,
        available=None if item.available_quantity is None else max(0, item.available_quantity),
        on_hand=None if item.on_hand_quantity is None else max(0, item.on_hand_quantity),
        updated_at=item.updated_at,
    )


def _line_body(line: OrderLineRequest) -> dict[str, Any]:
    return {
        "wmsItemCode": line.wms_item_code,
        "quantity": line.quantity,
        "externalLineId": line.external_line_id,
    }


def _order_body(request: OrderRequest) -> dict[str, Any]:
    return {
        "externalOrderId": request.external_id,
        "externalRef": request.external_ref,
        "warehouseCode": request.warehouse_code,
        "lineItems": [_line_body(line) for line in request.lines],
        "shippingAddress": asdict(request.address),
        "shippingMethod": request.shipping_method,
    }
