"""The states of orders, shipments, fulfilments and returns, and the reasons why an order does not go on."""

from __future__ import annotations

from django.db.models import TextChoices


class NotInTheTable(ValueError):
    """A table of states has no such transition."""


class OrderState(TextChoices):
    """The state of an order, as staff see it."""

    WAITING = "waiting", "waiting: not ready at Shopify"
    READY = "ready", "ready to be routed"
    HELD = "held", "held: a person is needed"
    AT_WAREHOUSE = "at_warehouse", "at the warehouse"
    PARTIALLY_SHIPPED = "partially_shipped", "shipped in part"
    SHIPPED = "shipped", "shipped"
    CANCELLED = "cancelled", "cancelled"
    NOTHING_TO_SHIP = "nothing_to_ship", "nothing for us to ship"


class Reason(TextChoices):
    """Why an order waits (for Shopify) or is held (for a person)."""

    NONE = "", "-"
    UNPAID = "unpaid", "not paid as the shop's policy asks"
    TEST_ORDER = "test_order", "a test order"
    UNCONFIRMED = "unconfirmed", "not confirmed by Shopify"
    NO_FULFILLMENT_ORDERS = "no_fulfillment_orders", "Shopify has not made its fulfilment orders yet"
    ON_HOLD = "on_hold", "on hold at Shopify"
    SCHEDULED = "scheduled", "scheduled for a later date at Shopify"
    SHOP_INACTIVE = "shop_inactive", "the shop is not active"
    ELSEWHERE = "elsewhere", "at Shopify locations that are no warehouse of ours"
    NO_LOCATION = "no_location", "Shopify names no location for it"
    NO_ADDRESS = "no_address", "no shipping address"
    UNMAPPED_SKU = "unmapped_sku", "a SKU is not mapped"
    PRODUCT_DELETED = "product_deleted", "a product was deleted in Shopify"
    NO_WAREHOUSE = "no_warehouse", "no warehouse can serve it"
    WMS_REJECTED = "wms_rejected", "the WMS refused it"
    WMS_CANCELLED = "wms_cancelled", "the WMS cancelled it"
    OUTCOME_UNKNOWN = "outcome_unknown", "nobody knows whether the WMS has it"
    EDITED = "edited", "changed at Shopify after it went to the warehouse"
    SHIPMENT_HELD = "shipment_held", "a shipment left that Shopify does not know of"
    CANCEL_ASKED = "cancel_asked", "cancelled at Shopify; the warehouse was asked to cancel it"


class Outcome(TextChoices):
    """What we know of the last attempt to place an order at the WMS."""

    NONE = "none", "not tried"
    IN_FLIGHT = "in_flight", "tried; the answer is not recorded"
    CONFIRMED = "confirmed", "the WMS has it"
    REFUSED = "refused", "the WMS refused it"
    UNKNOWN = "unknown", "a person must decide"
    ABSENT = "absent", "a person decided that the WMS does not have it"


class ChangeRequest(TextChoices):
    """What we last asked a WMS because an order that it has was changed at Shopify, and what it answered.

    There is no value for "agreed to cancel it": the status of the WMS order says that.
    """

    NONE = "none", "nothing"
    CANCEL_ASKED = "cancel_asked", "asked to cancel it"
    CANCEL_DECLINED = "cancel_declined", "declined to cancel it"
    REDUCTION_ASKED = "less_asked", "asked to send less"
    REDUCTION_AGREED = "less_taken", "agreed to send less"
    REDUCTION_DECLINED = "less_declined", "declined to send less"


class ShipmentState(TextChoices):
    """How far a shipment is on its way to a Shopify fulfilment."""

    RECEIVED = "received", "received"
    HELD = "held", "held: a person is needed"
    FULFILLING = "fulfilling", "being reported to Shopify: the outcome is not known yet"
    FULFILLED = "fulfilled", "a fulfilment at Shopify"
    PARTIAL_KIT = "partial_kit", "waits for the rest of its kit"
    CANCELLED = "cancelled", "its fulfilment was cancelled in Shopify: a person decides"
    CLOSED = "closed", "a person decided to report nothing more of it"


class FulfillmentState(TextChoices):
    """What we know of one call that makes a fulfilment."""

    IN_FLIGHT = "telling", "tried; the answer is not recorded"
    CONFIRMED = "told", "a fulfilment at Shopify"
    VOID = "void", "nothing came of it"
    CANCELLED = "cancelled", "cancelled in Shopify"


class ReturnState(TextChoices):
    """The state of a return."""

    REQUESTING = "requesting", "being announced to the WMS"
    UNKNOWN = "unknown", "a person must say whether the WMS expects it"
    OPEN = "open", "announced to the WMS"
    RECEIVED = "received", "received at the warehouse"
    FAILED = "failed", "the WMS did not take the announcement"
