"""Sends signed webhooks as fast as they are answered: `python -m bench.doors.sender`, a process of its own.

Each has a new webhook id, and the body of an order that was never heard of. All are made and signed before the first is
sent, so that the sender costs the machine little while it measures.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import hmac
import json
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SAMPLE = Path(__file__).parents[2] / "tests/payloads/shopify/samples/orders__paid.json"
BODY_BYTES = 10_000
TOPIC = "orders/paid"

HEAD = (
    "POST /webhooks/shopify/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    "User-Agent: Shopify-Captain-Hook\r\nAccept: */*\r\nX-Forwarded-Proto: https\r\n"
    "X-Shopify-Topic: {topic}\r\nX-Shopify-Shop-Domain: {domain}\r\nX-Shopify-Webhook-Id: {id}\r\n"
    "X-Shopify-Event-Id: {event}\r\nX-Shopify-Triggered-At: 2026-11-27T10:00:00.123456789Z\r\n"
    "X-Shopify-API-Version: 2026-10\r\nX-Shopify-Hmac-Sha256: {signature}\r\nContent-Length: {length}\r\n\r\n"
)


def order_body(number: int) -> bytes:
    """The body of a documented order with another number, of BODY_BYTES."""
    order: dict[str, Any] = json.loads(SAMPLE.read_bytes())
    order |= {"id": number, "admin_graphql_api_id": f"gid://shopify/Order/{number}"}
    for part in ("shipping_lines", "returns", "payment_terms", "fulfillments", "refunds", "discount_codes"):
        if len(json.dumps(order)) > BODY_BYTES:
            order.pop(part, None)
    return json.dumps({**order, "note": "x" * max(0, BODY_BYTES - len(json.dumps(order)))}).encode()


def signed_requests(count: int, *, domain: str, secret: str) -> list[bytes]:
    """So many requests, as Shopify sends them."""
    first = time.time_ns() // 1000
    return [_signed(order_body(first + number), domain=domain, secret=secret) for number in range(count)]


def _signed(body: bytes, *, domain: str, secret: str) -> bytes:
    signature = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
    head = HEAD.format(
        topic=TOPIC,
        domain=domain,
        id=uuid.uuid4(),
        event=uuid.uuid4(),
        signature=signature,
        length=len(body),
    )
    return head.encode() + body


async def send_all(port: int, requests: list[bytes], *, connections: int) -> list[float]:
    """Send each of them once, on so many connections. Returns the seconds until each answer.

    Raises RuntimeError if one is not answered 200.
    """
    waiting, seconds = iter(requests), list[float]()
    await asyncio.gather(*(_send(port, waiting, seconds) for _ in range(connections)))
    return seconds


async def _send(port: int, waiting: Iterator[bytes], seconds: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in waiting:
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(_length(head))
        seconds.append(time.perf_counter() - began)
        if not head.startswith(b"HTTP/1.1 200") or b"stored" not in body:
            raise RuntimeError(f"answered {head.decode('latin-1')}{body[:500]!r}")
    writer.close()


def _length(head: bytes) -> int:
    name = b"content-length:"
    return int(head[head.lower().index(name) + len(name) :].partition(b"\r\n")[0])


def main() -> None:
    """Sends, and prints the seconds in all and those of each request as JSON."""
    parser = argparse.ArgumentParser()
    for name in ("--port", "--count", "--connections"):
        parser.add_argument(name, type=int, required=True)
    for name in ("--domain", "--secret"):
        parser.add_argument(name, required=True)
    given = parser.parse_args()
    requests = signed_requests(given.count, domain=given.domain, secret=given.secret)
    print("ready", flush=True)
    sys.stdin.readline()
    began = time.perf_counter()
    each = asyncio.run(send_all(given.port, requests, connections=given.connections))
    print(json.dumps({"seconds": time.perf_counter() - began, "each": each}), flush=True)


if __name__ == "__main__":
    main()
