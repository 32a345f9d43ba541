"""How much of what is due goes into one push: so much that reading it and setting it fits the shop's points."""

from __future__ import annotations

from inventory.push import push_due
from inventory.push.push_batches import BATCH_SIZE
from inventory.push.push_due import PLAN_SIZE, Plan
from shops.budget import rate_budget
from wms.models import Warehouse

STANDARD = 2000.0
"""Points of a full bucket on the standard plan: assumed until an answer tells."""

SHARE = 0.5
"""Of a full bucket, for one push: orders and fulfilments go on beside it, and the wait for it is bounded."""

READ_POINTS, SET_POINTS = 3.5, 15.0
"""An inventory item in a read costs 3 to 5 points, a set 10 and a little, however much it sets (Admin API 2026-10)."""


def points(plan: Plan) -> float:
    """What a push of the plan is expected to need: its reads and its sets."""
    items = len(plan.inventory_items)
    return READ_POINTS * items + SET_POINTS * -(-len(plan.targets) // BATCH_SIZE)


def fitting_plan(warehouse: Warehouse) -> Plan:
    """What is due at the warehouse, longest due first, as much as fits. One level is always taken: where many products
    share it, that is a work which waits between its calls.
    """
    room = SHARE * (rate_budget.size(warehouse.shop.domain, rate_budget.POINTS) or STANDARD)
    most = max(1, min(PLAN_SIZE, int((room - SET_POINTS) / READ_POINTS)))
    plan = push_due.plan(warehouse, most=most)
    while most > 1 and points(plan) > room:
        most = max(1, min(most // 2, int(most * room / points(plan))))
        plan = push_due.plan(warehouse, most=most)
    return plan
