"""One shop, two warehouses, three products: the same at both ends of the wire, so that a test tells a story."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import requests
from django.db.models import F

from fulfillment import jobs as fulfillment_jobs
from fulfillment.models import Order, Return, WmsOrder
from fulfillment.wms_orders import attempts
from ops.queue import jobs
from shops.models import Shop
from tests.builders import make_connection, make_level, make_mapping, make_shop, make_warehouse
from tests.drain import drain
from tests.world import Json, Sandbox
from wms.models import Warehouse

DOMAIN = "berlin.myshopify.com"
BERLIN, LYON = 101, 102
STORE = 103
"""A location of the shop that no warehouse names."""
MUG, TEE, GIFT_SET, UNMAPPED, GIFT_CARD = 201, 202, 203, 204, 205
LATER = timedelta(minutes=6)


class Scene:
    """What a test acts with: customers and staff at Shopify, workers in the warehouses, and our own rows."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.shopify, self.wms = sandbox.shopify, sandbox.wms
        self._numbers = itertools.count(1)
        self.build_shopify()
        self._build_wms()
        self.shop: Shop = make_shop(DOMAIN)
        self.berlin = self._warehouse(
            "north", "Berlin", "BER1", BERLIN, priority=1, serves_countries=["DE", "AT"]
        )
        self.lyon = self._warehouse("south", "Lyon", "LYO1", LYON, priority=2, serves_countries=["FR", "DE"])

    def build_shopify(self, *, fo_delay: float = 0, **more: Any) -> None:
        """The shop as Shopify has it, without orders; its fulfilment orders appear after `fo_delay` seconds."""

        everywhere = {str(BERLIN): 10, str(LYON): 10, str(STORE): 10}

        def variant(number: int, sku: str, **more: Any) -> Json:
            item = {
                "id": number,
                "sku": sku,
                "title": sku,
                "inventory_item_id": number + 1000,
                "product_id": 1,
                **more,
            }
            return {"stock": everywhere, **item}

        variants = [
            variant(MUG, "MUG"),
            variant(TEE, "TEE"),
            variant(GIFT_SET, "GIFT-SET"),
            variant(UNMAPPED, "NEW-THING"),
            variant(GIFT_CARD, "CARD", is_gift_card=True, requires_shipping=False),
        ]
        self.shopify.post(
            "/shops",
            {
                "domain": DOMAIN,
                "access_token": "shpat_test",
                "webhook_secret": "shop-secret",
                "fo_delay": fo_delay,
                "locations": [
                    {"id": BERLIN, "name": "Berlin", "country": "DE"},
                    {"id": LYON, "name": "Lyon", "country": "FR"},
                    {"id": STORE, "name": "Store", "country": "DE"},
                ],
                "variants": variants,
                **more,
            },
        )

    def _build_wms(self) -> None:
        for slug, code in (("north", "BER1"), ("south", "LYO1")):
            stock = {"MUG": 10, "TEE": 10, "BOX": 10, "NEW": 10}
            self.wms.post(
                "/connections",
                {
                    "slug": slug,
                    "token": "wms-token",
                    "callback_secret": "wms-secret",
                    "warehouses": [{"code": code, "stock": stock}],
                },
            )

    def _warehouse(self, slug: str, name: str, code: str, location: int, **more: Any) -> Warehouse:
        connection = make_connection(slug, base_url=f"{self.wms.root}/{slug}")
        warehouse = make_warehouse(
            self.shop, connection, name, wms_warehouse_code=code, shopify_location_id=location, **more
        )
        for variant, item, quantity in (
            (MUG, "MUG", 1),
            (TEE, "TEE", 1),
            (GIFT_SET, "MUG", 2),
            (GIFT_SET, "BOX", 1),
        ):
            make_mapping(
                warehouse, variant, item, quantity=quantity, shopify_inventory_item_id=variant + 1000
            )
        for item in ("MUG", "TEE", "BOX"):
            make_level(warehouse, item, 10)
        return warehouse

    def place(self, *lines: tuple[int, int], at: int | None = BERLIN, **more: Any) -> Json:
        """A customer orders (variant, quantity) lines; returns the order as Shopify's books have it."""
        wanted = [{"variant_id": v, "quantity": q, **({"location_id": at} if at else {})} for v, q in lines]
        order: Json = self.shopify.post(f"/shops/{DOMAIN}/orders", {"lines": wanted, "country": "DE", **more})
        return order

    def staff(self, order: Json, what: str, body: Json | None = None) -> None:
        """The merchant's staff do something to an order in Shopify, and its webhook reaches us."""
        self.shopify.post(f"/shops/{DOMAIN}/orders/{order['id']}/{what}", body)
        self.webhook(order)

    def merchant(self, field: str, arguments: str, selection: str, **variables: Any) -> Json:
        """Somebody calls Shopify's interface: another app, or the admin behind its buttons. Nobody tells us."""
        names = ", ".join(f"{name}: ${name}" for name in variables)
        document = f"mutation({arguments}) {{ {field}({names}) {{ {selection} userErrors {{ message }} }} }}"
        reply = requests.post(
            f"{self.shopify.root}/{DOMAIN}/admin/api/2026-10/graphql.json",
            json={"query": document, "variables": variables},
            headers={"X-Shopify-Access-Token": "shpat_test"},
            timeout=10,
        ).json()
        payload: Json = reply["data"][field]
        assert not payload["userErrors"], payload
        return payload

    def cancel_fulfillment(self, fulfillment: Json) -> None:
        """«Cancel fulfillment» in the Shopify admin."""
        self.merchant(
            "fulfillmentCancel",
            "$id: ID!",
            "fulfillment { status }",
            id=f"gid://shopify/Fulfillment/{fulfillment['id']}",
        )

    def move_units(self, work: Json, line: Json, units: int, *, to: int) -> None:
        """Some units of a fulfilment-order line are moved to another location: Shopify splits it."""
        self.merchant(
            "fulfillmentOrderMove",
            "$id: ID!, $newLocationId: ID!, $fulfillmentOrderLineItems: [FulfillmentOrderLineItemInput!]",
            "movedFulfillmentOrder { id }",
            id=f"gid://shopify/FulfillmentOrder/{work['id']}",
            newLocationId=f"gid://shopify/Location/{to}",
            fulfillmentOrderLineItems=[
                {"id": f"gid://shopify/FulfillmentOrderLineItem/{line['id']}", "quantity": units}
            ],
        )

    def webhook(self, order: Json) -> None:
        """Shopify tells us that the order changed."""
        fulfillment_jobs.orders.read_order(self.shop, order["id"])

    def arrive(self, *lines: tuple[int, int], **more: Any) -> Json:
        """An order is placed, the webhook comes, and everything due is done."""
        order = self.place(*lines, **more)
        self.webhook(order)
        drain()
        return order

    def settle(self) -> None:
        """So much time passes that no request to a WMS can be on its way any more."""
        WmsOrder.objects.update(attempt_at=F("attempt_at") - attempts.SETTLE_TIME)
        Return.objects.update(attempt_at=F("attempt_at") - attempts.SETTLE_TIME)

    def row(self, order: Json) -> Order:
        """Our row of the order."""
        return Order.objects.select_related("shop").get(shopify_order_id=order["id"])

    def wms_books(self, slug: str = "north") -> Json:
        """What really happened at a WMS."""
        books: Json = self.wms.get(f"/books?slug={slug}")["connections"][slug]
        return books

    def shopify_order(self, order: Json) -> Json:
        """The order as Shopify's books have it now."""
        found: Json = self.shopify.get(f"/shops/{DOMAIN}/orders/{order['id']}")
        return found

    def fulfillments(self, order: Json) -> list[Json]:
        """The order's live fulfilments in Shopify's books."""
        return [f for f in self.shopify_order(order)["fulfillments"] if f["status"] != "CANCELLED"]

    def in_warehouse(self, order: Json, what: str, body: Json | None = None, *, part: int = 1) -> Json:
        """A worker in the warehouse picks, packs, ships or refuses the order."""
        external = f"wms:order:{DOMAIN}:{order['id']}:{part}"
        slug = self.row(order).wms_orders.get(part=part).warehouse.connection.slug
        done: Json = self.wms.post(
            f"/connections/{slug}/orders/{what}?external={quote(external, safe='')}", body
        )
        return done

    def callback(
        self, kind: str, data: Json, *, slug: str = "north", at: str = "2027-01-01T00:00:00+00:00"
    ) -> None:
        """A WMS callback is stored, as its receiver would, and everything due is done."""
        connection = (self.berlin if slug == "north" else self.lyon).connection
        event = f"e{next(self._numbers)}"
        jobs.NewJob(
            f"wms.{kind}",
            key=f"wms:{slug}:{event}",
            lane=connection.inbox_lane,
            payload={
                "connection": connection.id,
                "event_id": event,
                "occurred_at": at,
                "data": data,
            },
        ).enqueue()
        drain()

    def ship(
        self, order: Json, *items: tuple[str, int], tracking: str = "T1", shipment: str = "", part: int = 1
    ) -> Json:
        """The warehouse ships items (all of them when none are named) and its callback reaches us; returns the data."""
        wms_order = self.row(order).wms_orders.get(part=part)
        shipped = items or tuple((line.item_code, line.quantity) for line in wms_order.lines.all())
        data = {
            "wmsOrderId": wms_order.remote_id,
            "wmsShipmentId": shipment or f"S{next(self._numbers)}",
            "warehouseId": wms_order.warehouse.wms_warehouse_code,
            "shippedItems": [{"wmsItemCode": item, "quantityShipped": units} for item, units in shipped],
            "trackingNumber": tracking,
            "carrierCode": "dhl",
            "shippedAt": "2027-01-01T00:00:00Z",
        }
        self.callback("shipment", data, slug=wms_order.warehouse.connection.slug)
        return data
