"""Limits one push to as many due levels as can be read and set with the shop's points."""

from __future__ import annotations

from inventory.push import push_due
from inventory.push.push_batches import BATCH_SIZE
from inventory.push.push_due import PLAN_SIZE, Plan
from shops.budget import rate_budget
from wms.models import Warehouse

STANDARD = 2000.0
"""Points of a full bucket on Shopify's standard plan, assumed until an answer says otherwise."""

SHARE = 0.5
"""The share of a full bucket for one push. The rest serves orders and fulfilments, and the wait for it is limited."""

READ_POINTS, SET_POINTS = 3.5, 15.0
"""Points for one inventory item in a read (3 to 5), and for one call that sets quantities (Admin API 2026-10)."""


def points(plan: Plan) -> float:
    """Return the points that a push of the plan is expected to cost."""
    items = len(plan.inventory_items)
    return READ_POINTS * items + SET_POINTS * -(-len(plan.targets) // BATCH_SIZE)


def fitting_plan(warehouse: Warehouse) -> Plan:
    """Return a plan of due levels, longest due first, that fits the shop's points.

    It has at least one level. If many products share this level, the push waits for points between its calls.
    """
    room = SHARE * (rate_budget.size(warehouse.shop.domain, rate_budget.POINTS) or STANDARD)
    most = max(1, min(PLAN_SIZE, int((room - SET_POINTS) / READ_POINTS)))
    plan = push_due.plan(warehouse, most=most)
    while most > 1 and points(plan) > room:
        most = max(1, min(most // 2, int(most * room / points(plan))))
        plan = push_due.plan(warehouse, most=most)
    return plan
