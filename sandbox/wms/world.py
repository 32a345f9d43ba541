"""All connections of the server, and how a warehouse sends callbacks."""

import base64
import hashlib
import hmac
import json
import uuid

from sandbox.delivery_queue import Delivery
from sandbox.simulation import Simulation
from sandbox.wms.state import Connection, Json, WmsOrder, now, stamp


class World(Simulation):
    """All connections of the server. Hold `lock` while you read or change one."""

    def __init__(self) -> None:
        super().__init__()
        self.connections: dict[str, Connection] = {}

    def call_back(self, connection: Connection, kind: str, data: Json) -> None:
        """Sends a signed callback, if the connection has an address for it."""
        if connection.callback_url:
            content = {"eventId": str(uuid.uuid4()), "type": kind, "occurredAt": stamp(now()), "data": data}
            delivery = make_delivery(connection, kind, content)
            if (order := connection.orders.get(data.get("wmsOrderId", ""))) and not order.returned:
                delivery.arrived = lambda: count_early(connection, order, kind)
            self.delivery_queue.post(delivery)


def count_early(connection: Connection, order: WmsOrder, kind: str) -> None:
    """Counts an accepted callback as early when the call that placed the order has not returned yet."""
    connection.early[kind] += not order.returned


def make_delivery(connection: Connection, kind: str, content: Json) -> Delivery:
    """Returns a signed callback."""
    raw = json.dumps(content, separators=(",", ":")).encode()
    return Delivery(
        id=content["eventId"],
        event_id=content["eventId"],
        topic=kind,
        account=connection.slug,
        url=connection.callback_url or "",
        headers=signed_headers(connection.callback_secret, raw),
        body=raw,
    )


def signed_headers(secret: str, raw: bytes) -> dict[str, str]:
    """Returns the headers of a callback. X-WMS-Signature is the HMAC-SHA256 over the raw body, in base64."""
    signature = base64.b64encode(hmac.new(secret.encode(), raw, hashlib.sha256).digest()).decode()
    return {"Content-Type": "application/json", "User-Agent": "sandbox-wms", "X-WMS-Signature": signature}
