"""From a ready order to a WMS order, in one transaction: resolve the SKUs, choose the warehouse, reserve the stock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import structlog
from django.db import transaction
from django.db.models import Count
from django.db.models.functions import Now, TruncDay

from fulfillment import alerts, commitments, coverage, jobs, order_states
from fulfillment.models import Order, OrderLine, WmsOrder, WmsOrderLine, order_rows
from fulfillment.models.order_rows import OrderRows
from fulfillment.models.states import OrderState, Reason
from fulfillment.order_states import PERSON_DECIDES
from fulfillment.refs import OrderPk, order_key, part_external_id
from fulfillment.routing import choice, line_products, wms_order_making
from fulfillment.wms_order_states import NOT_ENDED
from fulfillment.wms_orders import attempts
from inventory import commitments as noted_commitments
from inventory import reservations
from inventory.reservations import Need
from ops.errors import Blocked, Transient
from ops.refs import ParkKey
from shops.refs import shop_key
from skumap.refs import sku_key, variant_key
from skumap.verification.review import report_unmapped
from wms.ids import WarehousePk
from wms.models import Warehouse
from wms.vocabulary.statuses import WmsStatus

logger = structlog.get_logger(__name__)

ROUTABLE = (
    OrderState.READY,
    OrderState.HELD,
    OrderState.AT_WAREHOUSE,
    OrderState.PARTIALLY_SHIPPED,
    OrderState.SHIPPED,
)


@dataclass(frozen=True)
class RoutingPlan:
    """Everything that a routing decision needs and gives. Units are Shopify's, by our order line id."""

    rows: OrderRows
    units: Mapping[int, int]
    lines: Mapping[int, OrderLine]
    warehouses: Mapping[WarehousePk, Warehouse]
    products: line_products.Identified
    decision: choice.Decision

    @property
    def unmapped(self) -> list[OrderLine]:
        """Lines that are mapped at no warehouse. A custom line never is."""
        return [self.lines[i] for i in self.units if self.products.is_unmapped(i)]

    @property
    def is_routable(self) -> bool:
        """Whether a warehouse can send all of it."""
        return self.decision.chosen is not None and not self.unmapped


def plan(order: Order) -> RoutingPlan | None:
    """Decide where the order's uncovered units would go now; None if there is nothing to route.

    Writes nothing, and takes a constant number of queries.
    """
    if (
        order.cancelled_at
        or order.state not in ROUTABLE
        or (order.state == OrderState.HELD and order.reason in PERSON_DECIDES | {Reason.NO_ADDRESS})
    ):
        return None
    rows = order_rows.read(order)
    measured = coverage.of(order, rows)
    if not measured.uncovered:
        return None
    warehouses = {
        w.id: w for w in Warehouse.objects.filter(shop_id=order.shop_id).select_related("connection")
    }
    lines = [measured.lines[i] for i in measured.uncovered]
    known = line_products.identify(order.shop_id, lines, warehouses=warehouses)
    candidates = _candidates(order, measured, warehouses=warehouses, known=known)
    return RoutingPlan(
        rows=rows,
        units=measured.uncovered,
        lines=measured.lines,
        warehouses=warehouses,
        products=known,
        decision=_decide(candidates, country=order.country),
    )


def _decide(candidates: Sequence[choice.Candidate], *, country: str) -> choice.Decision:
    """Choose a warehouse. If stock is short somewhere, check whether the item is known there at all, and choose
    again."""
    decision = choice.decide(candidates, country=country)
    short = {v.warehouse_id for v in decision.assessments if v.outcome == choice.Suitability.STOCK}
    strange = reservations.never_reported(
        (c.id, item) for c in candidates if c.id in short for item in c.needs or () if not c.free.get(item)
    )
    if not strange:
        return decision
    informed = [
        replace(c, never_reported=frozenset(item for warehouse, item in strange if warehouse == c.id))
        for c in candidates
    ]
    return choice.decide(informed, country=country)


def _needs(
    measured: coverage.Coverage, warehouse_pk: WarehousePk, known: line_products.Identified
) -> tuple[dict[str, int], tuple[str, ...]]:
    """What a warehouse would have to send: item units by item code, and the names of lines that are not mapped
    there."""
    needs: dict[str, int] = {}
    unmapped = []
    for line_id, units in measured.uncovered.items():
        components = known.components(line_id, warehouse_pk)
        if not components:
            unmapped.append(measured.lines[line_id].label)
        for component in components:
            needs[component.wms_item_code] = (
                needs.get(component.wms_item_code, 0) + units * component.quantity
            )
    return needs, tuple(unmapped)


def _candidates(
    order: Order,
    measured: coverage.Coverage,
    *,
    warehouses: Mapping[WarehousePk, Warehouse],
    known: line_products.Identified,
) -> list[choice.Candidate]:
    """Each warehouse of the shop in its present state, with what it would have to send."""
    needs = {w: _needs(measured, w, known) for w in warehouses}
    items = {item for wanted, _ in needs.values() for item in wanted}
    free = reservations.free(list(warehouses), items)
    used = _used_today(warehouses.values())
    return [
        choice.Candidate(
            id=w.id,
            name=w.place,
            priority=w.priority,
            active=w.is_active and w.connection.is_active,
            paused=w.paused,
            countries=frozenset(w.serves_countries),
            capacity_left=None if w.daily_capacity is None else w.daily_capacity - used.get(w.id, 0),
            needs=None if needs[w.id][1] else needs[w.id][0],
            unmapped=needs[w.id][1],
            free={item: free.get((w.id, item), 0) for item in needs[w.id][0]},
        )
        for w in warehouses.values()
    ]


def _used_today(warehouses: Iterable[Warehouse]) -> dict[int, int]:
    """WMS orders made today (UTC, the database's clock) by warehouse, without cancelled and refused ones."""
    limited = [w.id for w in warehouses if w.daily_capacity is not None]
    if not limited:
        return {}
    rows = (
        WmsOrder.objects.filter(NOT_ENDED, warehouse_id__in=limited, created_at__gte=TruncDay(Now()))
        .values("warehouse")
        .annotate(count=Count("id"))
    )
    return {row["warehouse"]: row["count"] for row in rows}


def prepare(order_pk: OrderPk) -> WmsOrder | None:
    """Route an order's uncovered units: reserve their stock and make the WMS order, or hold the order with the reason.

    Enqueues the submission in the same transaction. Returns None if there is nothing to route. Raises Blocked after the
    order was held, and Transient if another order took the stock.
    """
    with transaction.atomic():
        order = order_states.lock(order_pk)
        found = plan(order)
        if found is None:
            order_states.stop_lag(order)
            return None
        if found.is_routable:
            return _reserve_and_make(order, found)
        _hold_order(order, found)
    raise Blocked(
        f"{order.get_reason_display()}: {order.reason_detail}",
        on=wake_keys(order, found),
        recheck=partial(still_blocked, order_pk),
    )


def still_blocked(order_pk: OrderPk) -> bool:
    """Whether the order still cannot be routed. It is checked again under the locks of the park keys."""
    found = plan(Order.objects.select_related("shop").get(id=order_pk))
    return found is not None and not found.is_routable


def _reserve_and_make(order: Order, found: RoutingPlan) -> WmsOrder | None:
    """Reserve the stock, make the WMS order and request its submission; None if a refused part must be decided first.

    The decision is stored, and the hold that it answers ends.
    """
    chosen = found.decision.chosen
    assert chosen is not None and chosen.needs is not None  # noqa: S101, PT018
    parts = found.rows.wms_orders
    part = max((each.part for each in parts), default=0) + 1
    external_id = part_external_id(order.shop.domain, order.shopify_order_id, part)
    if any(each.wms_status == WmsStatus.REJECTED for each in parts):
        refused = order_states.refused_parts(order)[0]
        attempts.hold_for_refusal(order, refused.outcome_detail)  # a replay would send its units, too
        return None
    row = WmsOrder(
        order=order,
        part=part,
        warehouse=found.warehouses[chosen.id],
        external_id=external_id,
        lag_started_at=order.lag_started_at or order_states.read_own_clock(order),
    )
    lines = _lines(row, found)
    committed = commitments.of(
        replace(found.rows, wms_orders=[*parts, row], given=[*found.rows.given, *lines])
    )
    needs = [Need(chosen.id, item, units) for item, units in sorted(chosen.needs.items())]
    # Otherwise the commitments of other parts change too, or Shopify took units off another product, or off none.
    as_booked = not parts and all(found.lines[i].has_variant for i in found.units)
    noted = committed[external_id] if as_booked else {}
    if reservations.reserve_new(external_id, needs, committed=noted):
        raise Transient("another order took the stock between the look and the lock")
    wms_order_making.store(row, lines, decision=found.decision)
    if not as_booked:
        noted_commitments.note(committed)
    if order.state in (OrderState.HELD, OrderState.READY):
        order_states.set_state(order, OrderState.READY)
    jobs.wms_orders.submit(row)
    logger.info("order_routed", order=order.id, shop=order.shop_id, warehouse=row.warehouse_id, part=part)
    return row


def _lines(row: WmsOrder, found: RoutingPlan) -> list[WmsOrderLine]:
    """The items that the warehouse of a new WMS order is to send."""
    return [
        WmsOrderLine(
            wms_order=row,
            order_line=found.lines[line_id],
            item_code=component.wms_item_code,
            quantity=units * component.quantity,
            per_unit=component.quantity,
        )
        for line_id, units in found.units.items()
        for component in found.products.components(line_id, row.warehouse.id)
    ]


def wake_keys(order: Order, found: RoutingPlan) -> list[ParkKey]:
    """The park keys whose wake makes it worth planning anew, the most important cause first.

    Mappings are among them even if every line has one, because an item with a typing error looks out of stock.
    """
    unmapped = {line.id for line in found.unmapped}
    mappings = {line_id: _key_of_line(order, found, line_id) for line_id in found.units}
    causes = [
        *(key for line_id, key in mappings.items() if line_id in unmapped),
        *found.decision.wake_on,
        *mappings.values(),
        shop_key(order.shop.id),
        order_key(order.id),
    ]
    return list(dict.fromkeys(causes))


def _key_of_line(order: Order, found: RoutingPlan, line_id: int) -> ParkKey:
    """The park key of a line's mapping: by its variant, or by its SKU if it has none."""
    if (variant := found.products.variants.get(line_id)) is not None:
        return variant_key(order.shop.id, variant)
    return sku_key(order.shop.id, found.lines[line_id].sku)


def _hold_order(order: Order, found: RoutingPlan) -> None:
    """Hold the order with the reason why it cannot be routed, and raise the alert that belongs to it."""
    Order.objects.filter(id=order.id).update(routing=found.decision.as_json())
    if found.unmapped:
        names = ", ".join(line.label for line in found.unmapped)
        gone = all(line_products.has_lost_its_product(line) for line in found.unmapped)
        reason = Reason.PRODUCT_DELETED if gone else Reason.UNMAPPED_SKU
        order_states.set_state(order, OrderState.HELD, reason, names)
        known = {line.shopify_variant_id: line.sku for line in found.unmapped if not line.variant_is_gone}
        named = {variant: sku for variant, sku in known.items() if variant}
        report_unmapped(order.shop, named, by=order.subject)
        line_products.report_missing_products(order, found.unmapped)
        return
    detail = "; ".join(map(str, found.decision.assessments))
    order_states.set_state(order, OrderState.HELD, Reason.NO_WAREHOUSE, detail or "the shop has no warehouse")
    alerts.routing.no_warehouse(order)
