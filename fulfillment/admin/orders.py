"""Orders, and everything that is known of one."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.timesince import timesince
from unfold.decorators import action, display

from fulfillment import jobs
from fulfillment.admin.list_filters import OrderQuestions
from fulfillment.admin.pages import Button, PageAdmin
from fulfillment.console import order_page, order_text, search, unsent
from fulfillment.console.sections import ORDER_TONES, by_words, words
from fulfillment.models import Order
from fulfillment.models.states import OrderState, Reason
from fulfillment.wms_orders import manual_resolution

DECIDED_ANEW = (Reason.WMS_REJECTED, Reason.WMS_CANCELLED)


def _read(order: Order) -> bool:
    jobs.orders.read_order(order.shop, order.shopify_order_id)
    return True


@admin.register(Order)
class OrderAdmin(PageAdmin):
    """Orders, and everything that is known of one."""

    find = staticmethod(search.orders)
    only_on_page = ["ship_to", "routing"]
    search_help_text = "Name, Shopify id or address, external id, WMS order id, tracking number: as pasted"
    list_display = ["name", "shop", "state_label", "why", "country", "received_at", "since"]
    empty_words = {"state__exact=held": "No order is held: nothing waits for a person."}
    list_filter = [OrderQuestions, "state", "reason", "shop"]
    sortable_by = ["name", "received_at"]
    actions = ["read_again", "route_again"]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    ("name", "shop"),
                    ("state_label", "since"),
                    "why",
                    ("reason", "reason_detail"),
                    ("deferred_reason", "deferred_detail"),
                    "deferred_until",
                ]
            },
        ),
        (
            "At Shopify",
            {
                "fields": [
                    ("financial_status", "shipping_method"),
                    ("country", "is_test"),
                    ("placed_at", "cancelled_at"),
                    ("received_at", "ready_at"),
                    ("waited_at_shopify", "waited_for_person"),
                    ("shopify_updated_at", "read_at"),
                ]
            },
        ),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        """With their shops, and with what the column of unsent orders needs."""
        orders: QuerySet[Order] = super().get_queryset(request).select_related("shop")
        return unsent.annotated(orders)

    def page(self, request: HttpRequest, row: Order) -> dict[str, Any]:
        """Lines, WMS orders, shipments, fulfilment orders, the routing decision, alerts and the timeline."""
        shown = order_page.page(
            row, with_personal_data=request.user.has_perm("fulfillment.view_personal_data")
        )
        buttons = [Button("read_again", "Read again at Shopify")]
        if row.state == OrderState.HELD and row.reason in DECIDED_ANEW:
            buttons.append(Button("route_again", "Route again"))
        return {
            "shown": shown,
            "shopify_url": shown.shopify_url,
            "buttons": buttons if self.has_operate_permission(request) else [],
        }

    @display(description="State", label=by_words(ORDER_TONES))
    def state_label(self, order: Order) -> str:
        """Its state, as a badge."""
        return words(order.state)

    @admin.display(description="Reason")
    def why(self, order: Order) -> str:
        """Why it is in its state, and why some of its units are deferred."""
        return order_text.shortened(order_text.why(order))

    @admin.display(description="Since")
    def since(self, order: Order) -> str:
        """For how long it has been in its state."""
        return f"{timesince(order.state_since, depth=1)} ago"

    @action(description="Read again at Shopify", permissions=["operate"])
    def read_again(self, request: HttpRequest, chosen: QuerySet[Order]) -> HttpResponse | None:
        """Have the order read, as after a webhook."""
        return self.for_each(
            request, chosen, _read, done="To be read again at Shopify", refused="Not to be read"
        )

    @action(description="Route again: refused or cancelled by the WMS", permissions=["operate"])
    def route_again(self, request: HttpRequest, chosen: QuerySet[Order]) -> HttpResponse | None:
        """Have an order routed again that the WMS refused or cancelled."""
        return self.for_each(
            request,
            chosen,
            lambda order: manual_resolution.route_again(order.pk),
            done="To be routed again",
            refused="Not held because the WMS refused or cancelled it; nothing changed",
        )
