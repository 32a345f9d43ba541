"""List filters with operators' questions about orders, WMS orders and shipments. Each uses an index on the state."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.db.models import Model, Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest

from fulfillment.console import unsent
from fulfillment.models.states import OrderState, Outcome, Reason, ShipmentState
from fulfillment.wms_order_states import STEPS
from wms.vocabulary.statuses import WmsStatus

TOO_LONG = timedelta(hours=24)
"""If goods are not on their way after this time, the customer will soon ask about them."""

NO_ANSWER = timedelta(minutes=15)
"""This is longer than any call and its first repeats take."""

STATE = "state__exact"
"""The name that Django gives to a filter on the field `state`. Links from the front page and the sidebar use it."""

_NOT_ROUTED = [str(r) for r in (Reason.NO_WAREHOUSE, Reason.UNMAPPED_SKU, Reason.PRODUCT_DELETED)]
_GOING = [str(s) for s in (OrderState.READY, OrderState.AT_WAREHOUSE, OrderState.PARTIALLY_SHIPPED)]


def _ago(time: timedelta) -> Any:
    return Now() - time


class _Questions(SimpleListFilter):
    """A list filter that offers questions, each with a condition."""

    labels: Mapping[str, str]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The questions: their names and labels."""
        return list(self.labels.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        """The rows to which the chosen question applies; all of them if none is chosen."""
        chosen = self.value()
        if not chosen:
            return queryset
        return queryset.filter(self.condition(chosen)) if chosen in self.labels else queryset.none()

    def condition(self, question: str) -> Q:
        """The condition of a question of `labels`."""
        raise NotImplementedError


class OrderQuestions(_Questions):
    """Which orders are late, and who must act."""

    title = "question"
    parameter_name = "question"
    labels = {
        "person": "a person is needed",
        "shopify": "waits for Shopify",
        "part": "a part of it waits for Shopify",
        "unsent": "routed, not sent",
        "unshipped": "unshipped for more than 24 h",
        "at_warehouse_long": "at the warehouse for more than 24 h",
        "not_routed": "no warehouse, no mapping",
    }

    def condition(self, question: str) -> Q:
        """The orders to which the question applies."""
        # If Shopify does not know of a shipment, the customer does not know that it is on its way.
        not_on_its_way = Q(state__in=[OrderState.READY, OrderState.HELD, OrderState.AT_WAREHOUSE]) | Q(
            state=OrderState.PARTIALLY_SHIPPED, reason=Reason.SHIPMENT_HELD
        )
        ready_long_ago = Q(ready_at__lt=_ago(TOO_LONG))
        held_since_it_came = Q(ready_at=None, state=OrderState.HELD, received_at__lt=_ago(TOO_LONG))
        return {
            "person": Q(state=OrderState.HELD),
            "shopify": Q(state=OrderState.WAITING),
            "part": Q(state__in=_GOING) & ~Q(deferred_reason=""),
            "unsent": unsent.condition(),
            "unshipped": not_on_its_way & (ready_long_ago | held_since_it_came),
            "at_warehouse_long": Q(state=OrderState.AT_WAREHOUSE, state_since__lt=_ago(TOO_LONG)),
            "not_routed": Q(state=OrderState.HELD, reason__in=_NOT_ROUTED),
        }[question]


class WmsOrderQuestions(_Questions):
    """Which WMS orders have an unknown outcome, were refused, or are slow."""

    title = "question"
    parameter_name = "question"
    labels = {
        "decide": "a person must say whether the WMS has it",
        "refused": "refused by the WMS",
        "no_answer": "sent, no answer for 15 minutes",
        "cancelling": "asked to cancel, not confirmed",
        "unshipped": "accepted, unshipped for more than 24 h",
    }

    def condition(self, question: str) -> Q:
        """The WMS orders to which the question applies."""
        submitting = Q(wms_status=WmsStatus.SUBMITTING)
        return {
            "decide": submitting & Q(outcome=Outcome.UNKNOWN),
            "refused": Q(wms_status=WmsStatus.REJECTED),
            "no_answer": submitting & Q(attempt_at__lt=_ago(NO_ANSWER)),
            "cancelling": Q(wms_status=WmsStatus.CANCEL_REQUESTED),
            "unshipped": Q(wms_status__in=STEPS, accepted_at__lt=_ago(TOO_LONG)),
        }[question]


class ShipmentStates(_Questions):
    """The states of a shipment; those that need a person come first."""

    title = "state"
    parameter_name = STATE
    labels = {
        state: ShipmentState(state).label
        for state in sorted(
            ShipmentState.values, key=lambda s: s not in (ShipmentState.HELD, ShipmentState.CANCELLED)
        )
    }

    def condition(self, question: str) -> Q:
        """The shipments in that state."""
        return Q(state=question)


class ShipmentQuestions(_Questions):
    """Shipments of which Shopify, and so the customer, does not know."""

    title = "question"
    parameter_name = "question"
    labels = {
        "unfulfilled": "no fulfilment at Shopify after 15 minutes",
        "unanswered": "sent to Shopify, no answer for 15 minutes",
    }

    def condition(self, question: str) -> Q:
        """The shipments to which the question applies."""
        return {
            "unfulfilled": Q(
                state__in=[ShipmentState.RECEIVED, ShipmentState.HELD, ShipmentState.CANCELLED],
                received_at__lt=_ago(NO_ANSWER),
            ),
            "unanswered": Q(state=ShipmentState.FULFILLING, attempt_at__lt=_ago(NO_ANSWER)),
        }[question]
