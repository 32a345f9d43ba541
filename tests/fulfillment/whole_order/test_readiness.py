"""What of an order may go by Shopify's word, and why not the rest: each reason, and which comes first."""

from __future__ import annotations

from typing import Any

import pytest

from fulfillment import readiness
from fulfillment.models.states import OrderState, Reason
from fulfillment.shopify.our_locations import OurLocations
from fulfillment.shopify.snapshots import OrderNode
from shops.ids import LocationId
from shops.models import Shop

BERLIN, STORE = 101, 103
OURS = OurLocations(frozenset({LocationId(BERLIN)}))
ADDRESS = {"name": "Ada", "company": "", "address1": "Main Street 1", "countryCodeV2": "DE"}
TODAY = "2026-11-01T10:00:00Z"
Json = dict[str, Any]


def gid(kind: str, number: int) -> str:
    return f"gid://shopify/{kind}/{number}"


def page(*nodes: Json) -> Json:
    return {"nodes": list(nodes), "pageInfo": {"hasNextPage": False, "endCursor": None}}


def line(number: int = 1, units: int = 2, **changes: Any) -> Json:
    """An order line of some mugs."""
    values = {"sku": f"SKU-{number}", "title": "A mug", "requiresShipping": True, "isGiftCard": False}
    return {"id": gid("LineItem", number), "currentQuantity": units, **values, **changes}


def work(number: int = 1, *, at: int | None = BERLIN, units: int = 2, of: int = 1, **changes: Any) -> Json:
    """A fulfilment order for units of one line."""
    return {
        "id": gid("FulfillmentOrder", number),
        "status": "OPEN",
        "updatedAt": TODAY,
        "deliveryMethod": {"methodType": "SHIPPING"},
        "assignedLocation": {"location": {"id": gid("Location", at)} if at else None},
        "lineItems": page(
            {
                "id": gid("FulfillmentOrderLineItem", number),
                "remainingQuantity": units,
                "lineItem": {"id": gid("LineItem", of)},
            }
        ),
        **changes,
    }


def order(*works: Json, lines: tuple[Json, ...] = (line(),), **changes: Any) -> OrderNode:
    """A paid order as Shopify answers."""
    return OrderNode.model_validate(
        {
            "id": gid("Order", 1),
            "name": "#1",
            "updatedAt": TODAY,
            "test": False,
            "displayFinancialStatus": "PAID",
            "shippingAddress": ADDRESS,
            "lineItems": page(*lines),
            "fulfillmentOrders": page(*works),
            **changes,
        }
    )


def judged(node: OrderNode, *, places: OurLocations = OURS, **shop: Any) -> readiness.Verdict:
    return readiness.verdict(node, Shop(domain="berlin.myshopify.com", **shop), locations=places)


def stands(verdict: readiness.Verdict) -> tuple[str, str]:
    return verdict.state, verdict.reason


READY, NOTHING = ("ready", ""), ("nothing_to_ship", "")


def test_a_paid_order_with_goods_at_our_warehouse_goes() -> None:
    assert judged(order(work())) == readiness.READY


@pytest.mark.parametrize(
    ("changes", "shop", "reason"),
    [
        ({}, {"is_active": False}, "shop_inactive"),
        ({"test": True}, {}, "test_order"),
        ({"test": True}, {"submit_test_orders": True}, ""),
        ({"confirmed": False}, {}, "unconfirmed"),
    ],
)
def test_what_concerns_the_whole_order_holds_all_of_it(changes: Json, shop: Json, reason: str) -> None:
    verdict = judged(order(work(), **changes), **shop)
    assert stands(verdict) == ("waiting" if reason else "ready", reason)
    assert (verdict.deferred is None) == (not reason)
    assert verdict.deferred is None or verdict.deferred.reason == reason


PAID, MORE = {"PAID", "PARTIALLY_REFUNDED"}, {"PENDING", "PARTIALLY_PAID", ""}
SUFFICES = {"paid": PAID, "authorized": PAID | {"AUTHORIZED"}, "always": PAID | MORE | {"AUTHORIZED"}}


@pytest.mark.parametrize("policy", SUFFICES)
@pytest.mark.parametrize(
    "status", sorted(PAID | MORE | {"AUTHORIZED", "VOIDED", "REFUNDED", "EXPIRED", "NEW"})
)
def test_an_order_goes_once_it_is_paid_as_the_shops_policy_asks(policy: str, status: str) -> None:
    verdict = judged(order(work(), displayFinancialStatus=status), submit_policy=policy)
    expected = READY if status in SUFFICES[policy] else ("waiting", "unpaid")
    assert stands(verdict) == expected


@pytest.mark.parametrize(("status", "says"), [("VOIDED", "VOIDED"), ("", "no financial status")])
def test_an_unpaid_order_says_how_it_stands(status: str, says: str) -> None:
    assert judged(order(work(), displayFinancialStatus=status), submit_policy="paid").detail == says


def test_of_several_reasons_the_most_basic_one_is_named() -> None:
    everything: Json = {"test": True, "confirmed": False, "displayFinancialStatus": "PENDING"}
    found = [
        judged(order(work(), cancelledAt=TODAY, **everything), is_active=False),
        judged(order(work(), lines=(line(units=0),), **everything), is_active=False),
        judged(order(work(), **everything), is_active=False),
        judged(order(work(), **everything)),
        judged(order(work(), **{**everything, "test": False})),
        judged(order(**{**everything, "test": False, "confirmed": True})),
    ]
    reasons = ["", "", "shop_inactive", "test_order", "unconfirmed", "unpaid"]
    assert [stands(each)[1] for each in found] == reasons
    assert [each.state for each in found[:3]] == ["cancelled", "nothing_to_ship", "waiting"]


@pytest.mark.parametrize(
    "left",
    [line(units=0), line(requiresShipping=False), line(isGiftCard=True)],
    ids=["none", "digital", "card"],
)
def test_an_order_without_goods_is_nothing_for_us(left: Json) -> None:
    assert stands(judged(order(work(), lines=(left,)))) == NOTHING
    assert stands(judged(order(work(of=2), lines=(left, line(2))))) == READY


def test_an_order_waits_for_its_fulfillment_orders() -> None:
    assert stands(judged(order())) == ("waiting", "no_fulfillment_orders")


def test_a_fulfillment_order_of_a_gift_card_is_none_of_the_goods() -> None:
    verdict = judged(order(work(of=2), lines=(line(), line(2, isGiftCard=True))))
    assert stands(verdict) == ("waiting", "no_fulfillment_orders")


@pytest.mark.parametrize(
    "done", [{"status": s} for s in ("CLOSED", "CANCELLED", "INCOMPLETE")] + [{"units": 0}]
)
def test_finished_work_is_nothing_for_us(done: Json) -> None:
    assert stands(judged(order(work(**done)))) == NOTHING
    assert stands(judged(order(work(**done), work(2)))) == READY


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        *((method, READY) for method in ("SHIPPING", "PICKUP_POINT", "")),
        *((method, NOTHING) for method in ("NONE", "PICK_UP", "LOCAL", "RETAIL")),
    ],
)
def test_a_carrier_brings_it_or_it_is_not_ours(method: str, expected: tuple[str, str]) -> None:
    assert stands(judged(order(work(deliveryMethod={"methodType": method})))) == expected


def test_work_without_a_delivery_method_is_sent_by_a_carrier() -> None:
    assert stands(judged(order(work(deliveryMethod=None)))) == READY


def test_work_at_other_places_says_which_each_once_and_in_turn() -> None:
    verdict = judged(order(work(at=104), work(2, at=STORE), work(3, at=104)))
    assert (*stands(verdict), verdict.detail) == ("nothing_to_ship", "elsewhere", "103, 104")


def test_work_that_is_picked_up_elsewhere_is_not_named() -> None:
    picked_up: Json = {"deliveryMethod": {"methodType": "PICK_UP"}}
    assert stands(judged(order(work(at=None, **picked_up)))) == NOTHING
    assert judged(order(work(at=104, **picked_up), work(2, at=STORE))).detail == "103"


def test_work_without_a_location_needs_a_person_unless_the_rest_is_ours() -> None:
    assert stands(judged(order(work(at=None), work(2, at=STORE)))) == ("held", "no_location")
    assert stands(judged(order(work(at=None), work(2)))) == READY


@pytest.mark.parametrize(("service", "expected"), [(False, READY), (True, ("nothing_to_ship", "elsewhere"))])
def test_who_routes_for_all_places_leaves_fulfillment_services_alone(
    service: bool, expected: tuple[str, str]
) -> None:
    location = {"id": gid("Location", STORE), "isFulfillmentService": service}
    node = order(work(assignedLocation={"location": location}))
    assert stands(judged(node, places=OurLocations(frozenset(), everywhere=True))) == expected


def test_a_fulfillment_service_that_a_warehouse_names_is_ours() -> None:
    location = {"id": gid("Location", BERLIN), "isFulfillmentService": True}
    assert stands(judged(order(work(assignedLocation={"location": location})))) == READY


# The address


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": ""}, "held"),
        ({"name": "", "company": "Ada & Co"}, "ready"),
        ({"address1": ""}, "held"),
        ({"countryCodeV2": ""}, "held"),
        ({"company": "Ada & Co"}, "ready"),
    ],
)
def test_an_address_has_somebody_a_street_and_a_country(changes: Json, expected: str) -> None:
    verdict = judged(order(work(), shippingAddress={**ADDRESS, **changes}))
    assert verdict.state == expected
    assert verdict.reason == ("no_address" if expected == "held" else "")


def test_an_order_without_an_address_is_held_and_keeps_what_waits() -> None:
    verdict = judged(order(work(), work(2, status="ON_HOLD"), shippingAddress=None))
    assert stands(verdict) == (OrderState.HELD, Reason.NO_ADDRESS)
    assert verdict.deferred is not None
    assert verdict.deferred.reason == Reason.ON_HOLD


# What waits, beside what goes


def test_a_part_on_hold_lets_the_rest_go() -> None:
    verdict = judged(order(work(), work(2, status="ON_HOLD", units=1)))
    assert stands(verdict) == READY
    assert verdict.deferred == readiness.Deferred(Reason.ON_HOLD, "1 × SKU-1 on hold")


def test_a_shop_that_sends_whole_orders_only_waits_for_all_of_it() -> None:
    verdict = judged(order(work(), work(2, status="ON_HOLD")), whole_orders_only=True)
    assert stands(verdict) == ("waiting", "on_hold")
    assert verdict.deferred is not None
    assert stands(judged(order(work(), work(2)), whole_orders_only=True)) == READY


def test_an_order_of_which_nothing_goes_waits_for_that() -> None:
    assert stands(judged(order(work(status="ON_HOLD")))) == ("waiting", "on_hold")
    assert stands(judged(order(work(status="SCHEDULED")))) == ("waiting", "scheduled")


def test_work_under_way_goes() -> None:
    assert stands(judged(order(work(status="IN_PROGRESS")))) == READY


def scheduled(number: int, at: str | None, **changes: Any) -> Json:
    return work(number, status="SCHEDULED", fulfillAt=at, **changes)


def test_the_earliest_date_is_the_one_that_the_rest_waits_for() -> None:
    verdict = judged(
        order(scheduled(1, "2026-12-24T09:30:00Z"), scheduled(2, "2026-12-06T08:00:00Z", units=1))
    )
    assert verdict.deferred is not None
    assert f"{verdict.deferred.until:%Y-%m-%d}" == "2026-12-06"
    assert verdict.detail == "1 × SKU-1 from 2026-12-06 08:00 UTC; 2 × SKU-1 from 2026-12-24 09:30 UTC"


def test_work_without_a_date_comes_last_and_a_hold_is_the_reason() -> None:
    held = work(
        1, status="ON_HOLD", fulfillmentHolds=[{"reason": "OTHER"}, {"reason": ""}, {"reason": "FRAUD"}]
    )
    verdict = judged(order(held, scheduled(2, None, units=1), scheduled(3, "2026-12-06T08:00:00Z", units=3)))
    assert verdict.reason == Reason.ON_HOLD
    assert verdict.detail == (
        "3 × SKU-1 from 2026-12-06 08:00 UTC; 2 × SKU-1 on hold (FRAUD, OTHER); 1 × SKU-1 at a later date"
    )


def test_the_date_of_what_is_on_hold_is_not_waited_for() -> None:
    verdict = judged(order(work(status="ON_HOLD", fulfillAt="2026-12-06T08:00:00Z")))
    assert verdict.deferred is not None
    assert verdict.deferred.until is None


def test_only_goods_that_remain_are_named_and_without_a_sku_by_their_title() -> None:
    several = work(status="ON_HOLD")
    for number, units in ((2, 1), (3, 0), (4, 5)):
        several["lineItems"]["nodes"] += work(number, of=number, units=units)["lineItems"]["nodes"]
    lines = (line(), line(2, sku=""), line(3), line(4, isGiftCard=True))
    assert judged(order(several, lines=lines)).detail == "2 × SKU-1, 1 × A mug on hold"
