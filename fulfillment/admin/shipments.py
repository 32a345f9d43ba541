"""Shipments, and what a person can decide about them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.decorators import action, display

from fulfillment.admin.list_filters import ShipmentQuestions, ShipmentStates
from fulfillment.admin.pages import Button, PageAdmin
from fulfillment.console import part_pages
from fulfillment.console.sections import SHIPMENT_TONES, by_words, words
from fulfillment.models import Shipment
from fulfillment.models.states import ShipmentState
from fulfillment.shipments import cancelled_fulfillments, held_shipments, intake

BUTTONS: dict[str, list[Button]] = {
    ShipmentState.HELD: [Button("look_again", "Look again"), Button("nothing_more", "Nothing more to tell")],
    ShipmentState.CANCELLED: [
        Button("fulfill_again", "Tell Shopify again"),
        Button("send_again", "Send again"),
        Button("nothing_more", "Nothing more to tell"),
    ],
}


@admin.register(Shipment)
class ShipmentAdmin(PageAdmin):
    """What left the warehouses, and whether Shopify has fulfilments of it."""

    find = staticmethod(part_pages.find_shipments)
    search_help_text = "Tracking number, the WMS's shipment or order id, fulfilment id, order name: as pasted"
    list_display = [
        "wms_shipment_id",
        "order",
        "connection",
        "state_label",
        "why",
        "tracking_number",
        "carrier_code",
        "received_at",
        "fulfilled_at",
    ]
    empty_words = {"state__exact=held": "No shipment is held: nothing waits for a person."}
    list_filter = [ShipmentStates, ShipmentQuestions, "connection"]
    sortable_by: list[str] = []
    actions = ["look_again", "fulfill_again", "send_again", "nothing_more"]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "wms_shipment_id",
                    ("order", "remote_order_id"),
                    "connection",
                    ("state_label", "reason"),
                ]
            },
        ),
        (
            "Shipment",
            {
                "fields": [
                    ("numbers", "carrier_code"),
                    "links",
                    ("shipped_at", "decided_by"),
                    ("emitted_at", "received_at", "resumed_at"),
                ]
            },
        ),
        ("At Shopify", {"fields": [("shopify_fulfillment_id", "fulfilled_at"), "attempt_at"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Shipment]:
        """With their orders, but without customers' data."""
        rows: QuerySet[Shipment] = super().get_queryset(request)
        return rows.select_related("connection", "wms_order__order__shop").defer("wms_order__order__ship_to")

    def page(self, request: HttpRequest, row: Shipment) -> dict[str, Any]:
        """Its items, units and fulfilments, and the buttons for its state."""
        buttons = BUTTONS.get(row.state, []) if self.has_operate_permission(request) else []
        return {"shown": part_pages.shipment(row), "buttons": buttons}

    @display(description="State", label=by_words(SHIPMENT_TONES))
    def state_label(self, row: Shipment) -> str:
        """Its state, as a badge."""
        return words(row.state)

    @admin.display(description="Order")
    def order(self, row: Shipment) -> str:
        """The order it belongs to."""
        return str(row.wms_order.order) if row.wms_order else ""

    @admin.display(description="Reason")
    def why(self, row: Shipment) -> str:
        """Why it is held."""
        return row.reason if len(row.reason) <= 120 else row.reason[:119] + "…"

    @admin.display(description="Tracking numbers")
    def numbers(self, row: Shipment) -> str:
        """All of them."""
        return ", ".join(row.numbers)

    @admin.display(description="Links")
    def links(self, row: Shipment) -> str:
        """As the warehouse gave them."""
        return " ".join(row.tracking_urls)

    @action(description="Look again: the cause was removed", permissions=["operate"])
    def look_again(self, request: HttpRequest, chosen: QuerySet[Shipment]) -> HttpResponse | None:
        """Try once more to count the shipment, or to make its fulfilment."""
        return self.for_each(
            request,
            chosen,
            lambda row: intake.recheck_held(row.pk),
            done="Counted; Shopify is told next",
            refused="Not held, or held again for the reason given; nothing was counted",
        )

    @action(description="Tell Shopify again: its fulfilment was cancelled there", permissions=["operate"])
    def fulfill_again(self, request: HttpRequest, chosen: QuerySet[Shipment]) -> HttpResponse | None:
        """Have a new fulfilment made of a shipment whose fulfilment was cancelled."""
        user_id = request.user.pk
        return self.for_each(
            request,
            chosen,
            lambda row: cancelled_fulfillments.fulfill_again(row.pk, user_id=user_id),
            done="Shopify is told again",
            refused="No fulfilment of it was cancelled, or somebody has decided; nothing changed",
        )

    @action(description="Send again: its fulfilment was cancelled in Shopify", permissions=["operate"])
    def send_again(self, request: HttpRequest, chosen: QuerySet[Shipment]) -> HttpResponse | None:
        """Have the units of a cancelled fulfilment sent once more by a warehouse."""
        user_id = request.user.pk
        return self.for_each(
            request,
            chosen,
            lambda row: cancelled_fulfillments.send_again(row.pk, user_id=user_id),
            done="Routed and sent once more, if Shopify still asks for it",
            refused="No fulfilment of it was cancelled, or somebody has decided; nothing changed",
        )

    @action(description="Nothing more to tell: what is held is settled", permissions=["operate"])
    def nothing_more(self, request: HttpRequest, chosen: QuerySet[Shipment]) -> HttpResponse | None:
        """Close a shipment: Shopify is not told of the units that are held."""
        user_id = request.user.pk
        return self.for_each(
            request,
            chosen,
            lambda row: held_shipments.close_shipment(row.pk, user_id=user_id),
            done="Closed; Shopify is not told of what was held",
            refused="Nothing of it waits for a person; nothing changed",
        )
