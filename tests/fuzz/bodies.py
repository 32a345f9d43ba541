"""Realistic bodies of every kind that comes to a door, made at home in a stage, and then spoilt."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ops.doors import signatures
from shops.webhooks.topics import TOPICS
from tests.fuzz import hostile
from tests.fuzz.stage import ITEMS, KIT, MUG, SECRETS, TEE, UNMAPPED, Stage

Json = dict[str, Any]
Headers = list[tuple[bytes, bytes]]
SAMPLES = Path(__file__).parent.parent / "payloads" / "shopify" / "samples"
ORDER = "orders__updated"
SAMPLE_OF = {
    "orders/fulfilled": ORDER,
    "orders/partially_fulfilled": ORDER,
    "fulfillment_holds/added": "fulfillment_orders__placed_on_hold",
    "fulfillment_holds/released": "fulfillment_orders__placed_on_hold",
}
"""Topics of which Shopify publishes no sample, and one that looks the same."""
CUSTOMER = {"id": 191167, "email": "john@example.com", "phone": "555-625-1199"}
SHOP = {"shop_id": 954889, "shop_domain": "berlin.myshopify.com"}
WRITTEN: dict[str, Json] = {
    "customers/data_request": {
        **SHOP,
        "orders_requested": [1, 2],
        "customer": CUSTOMER,
        "data_request": {"id": 9999},
    },
    "customers/redact": {**SHOP, "customer": CUSTOMER, "orders_to_redact": [1, 2]},
    "shop/redact": SHOP,
    "products/delete": {"id": 788032119674292922},
    "orders/delete": {"id": 820982911946154508},
    "carts/create": {"id": "eeafa272cebfd4b22385bc4b645e762c", "line_items": []},
}
"""As Shopify's documentation writes them."""
STRANGE_HEADERS = [
    b"",
    b" ",
    b"x" * 300,
    b"\xe9\xff",
    b"orders/paid\t",
    b"0",
    b"-1",
    b"1e9",
    b"9" * 30,
    b"*/*",
    b"a,b",
]
CONTENT_TYPES = [
    b"application/x-www-form-urlencoded",
    b"multipart/form-data; boundary=x",
    b"",
    b"\xff",
    b"text/xml",
]


@dataclass(frozen=True)
class Delivery:
    """One request at a door, as its bytes came."""

    path: str
    headers: Headers
    body: bytes


def sample(topic: str) -> Json:
    """A body of this topic as Shopify documents it."""
    if topic in WRITTEN:
        return WRITTEN[topic]
    body: Json = json.loads((SAMPLES / f"{SAMPLE_OF.get(topic, topic.replace('/', '__'))}.json").read_text())
    return body


_samples: dict[str, str] = {topic: json.dumps(sample(topic)) for topic in (*TOPICS, "carts/create")}


def delivery(stage: Stage, chance: random.Random, *, name: str) -> Delivery:
    """One request; `name` is what its event is called, unless it repeats another's."""
    make = _webhook if chance.random() < 0.55 else _callback
    return make(stage, chance, name)


def _times(chance: random.Random) -> int:
    return chance.choice([0, 0, 1, 1, 1, 1, 2, 3, 5])


def _webhook(stage: Stage, chance: random.Random, name: str) -> Delivery:
    topic = chance.choice(list(_samples))
    body = _at_home(json.loads(_samples[topic]), stage, chance)
    if topic.startswith(("orders/", "products/")):
        body["id"] = chance.choice(stage.orders)
        body["admin_graphql_api_id"] = f"gid://shopify/Order/{body['id']}"
    raw = hostile.encoded(hostile.spoilt(body, chance, times=_times(chance)), chance)
    headers = {
        b"x-shopify-topic": topic.encode(),
        b"x-shopify-shop-domain": chance.choice(stage.shops).encode(),
        b"x-shopify-webhook-id": name.encode() if chance.random() < 0.97 else b"again",
        b"x-shopify-event-id": f"e-{name}".encode(),
        b"x-shopify-triggered-at": chance.choice(
            [*hostile.TIMES, _now()] if chance.random() < 0.1 else [_now()]
        ).encode(),
        b"x-shopify-api-version": b"2026-10",
        b"x-shopify-hmac-sha256": signatures.sign(SECRETS["/webhooks/shopify/"], raw).encode(),
    }
    return _sent("/webhooks/shopify/", headers, raw, chance)


def _at_home(value: Any, stage: Stage, chance: random.Random, key: str = "") -> Any:
    """The same with ids that the stage knows."""
    if isinstance(value, dict):
        return {name: _at_home(each, stage, chance, name) for name, each in value.items()}
    if isinstance(value, list):
        return [_at_home(each, stage, chance, key) for each in value]
    order, variant = chance.choice(stage.orders), chance.choice([MUG, TEE, KIT, UNMAPPED])
    if isinstance(value, str) and value.startswith("gid://shopify/"):
        kind = value.split("/")[3]
        known = {
            "Order": order,
            "FulfillmentOrder": order + 2,
            "ProductVariant": variant,
            "LineItem": order + 1,
        }
        known["InventoryItem"] = variant + 1_000_000
        return f"gid://shopify/{kind}/{known[kind]}" if kind in known else value
    if key in ("order_id", "orders_requested", "orders_to_redact"):
        return order
    by_key = {"variant_id": variant, "inventory_item_id": variant + 1_000_000, "sku": "SKU-MUG"}
    return by_key.get(key, value)


def _callback(stage: Stage, chance: random.Random, name: str) -> Delivery:
    slug = chance.choice(list(stage.wms_orders))
    kind = chance.choice(
        ["shipment", "shipment", "inventory", "order_status", "return_receipt", "carrier_pickup"]
    )
    body = {
        "eventId": name,
        "type": kind,
        "occurredAt": _now(),
        "data": _data(kind, slug, stage, chance, name),
    }
    if chance.random() < 0.03:
        body["eventId"] = "again"
    times = _times(chance)
    if chance.random() < 0.7:
        body["data"] = hostile.spoilt(body["data"], chance, times=times)
    else:
        body = hostile.spoilt(body, chance, times=times)
    raw = hostile.encoded(body, chance)
    signature = signatures.sign(SECRETS["/webhooks/wms/"], raw).encode()
    return _sent(f"/webhooks/wms/{slug}/", {b"x-wms-signature": signature}, raw, chance)


def _data(kind: str, slug: str, stage: Stage, chance: random.Random, name: str) -> Json:
    order = chance.choice(stage.wms_orders[slug])
    house = {"warehouseId": chance.choice(stage.warehouses[slug])}
    item = chance.choice([*ITEMS, "NEW"])
    units = chance.choice([1, 1, 2, 3, 500])
    match kind:
        case "shipment":
            items = [{"wmsItemCode": "MUG", "quantityShipped": units}]
            items += [{"wmsItemCode": item, "quantityShipped": 1}] if chance.random() < 0.3 else []
            numbers = {
                "trackingNumber": f"TRK{name}",
                "trackingUrls": ["https://track.example/1"],
                "carrierCode": "dhl",
            }
            shipment = name if chance.random() < 0.8 else "S1"
            return {
                "wmsOrderId": order,
                "wmsShipmentId": shipment,
                **house,
                "shippedItems": items,
                **numbers,
                "shippedAt": _now(),
            }
        case "inventory":
            figures = {"availableQuantity": chance.randrange(900), "onHandQuantity": chance.randrange(900)}
            more = {"eventType": "adjustment", "sequence": chance.randrange(10**6)}
            return {"wmsItemCode": item, **house, **figures, **more}
        case "order_status":
            words = [
                "picking",
                "packed",
                "shipped",
                "cancelled",
                "rejected",
                "partially_shipped",
                "a new word",
            ]
            return {"wmsOrderId": order, "status": chance.choice(words), "reason": "asked by a@b.example"}
        case "return_receipt":
            items = [
                {"wmsItemCode": "MUG", "quantity": units, "condition": chance.choice(["sellable", "damaged"])}
            ]
            return {
                "wmsReturnId": f"R-{order}",
                "wmsOrderId": order,
                **house,
                "items": items,
                "receivedAt": _now(),
            }
        case _:
            return {"wmsOrderId": order}


def _sent(path: str, headers: dict[bytes, bytes], raw: bytes, chance: random.Random) -> Delivery:
    everything = {
        b"host": b"testserver",
        b"content-type": b"application/json",
        b"content-length": str(len(raw)).encode(),
        **headers,
    }
    if chance.random() < 0.1:
        name = chance.choice(list(everything))
        match chance.randrange(4):
            case 0:
                everything[name] = chance.choice(STRANGE_HEADERS)
            case 1:
                del everything[name]
            case 2:
                everything[b"content-type"] = chance.choice(CONTENT_TYPES)
            case _:
                everything[name] = everything[name].swapcase()
    sent = list(everything.items())
    if chance.random() < 0.02:
        sent.append(chance.choice(sent))
    if chance.random() < 0.02:
        path = chance.choice(
            [path + "x", "/webhooks/wms/\xe9/", "/webhooks/wms/no-such/", path.rstrip("/"), "/webhooks/"]
        )
    return Delivery(path, sent, raw)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
