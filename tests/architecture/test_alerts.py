"""Every alert says for which shop: order #1002 exists in each."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.layers import ROOT, sources

OF_NO_SHOP = {
    "fulfillment/wms_orders/polling.py": {"look_up_refused"},
    "fulfillment/wms_orders/status_updates.py": {"unknown_wms_order", "unknown_wms_status"},
    "fulfillment/returns/receipts.py": {"unknown_return"},
    "inventory/stock/levels.py": {"FIGURE_MISSING"},
    "inventory/stock/reconcile.py": {"ITEMS_UNREAD"},
    "inventory/stock/stock_events.py": {"UNKNOWN_WAREHOUSE"},
}
"""Alerts about a WMS that several shops may share, and about what nobody knows the order of."""

NAMES_THE_SHOP = re.compile(r"\bdomain\b|external_id|subject\(shop")
"""In an alert's subject or title: ops.alerting.alerts finds the shop there."""


def _alerts() -> Iterator[tuple[Path, ast.Call]]:
    for file in sources("fulfillment", "inventory", "skumap", "shops"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("raise_alert"):
                yield file, node


def test_every_alert_about_an_order_or_a_shop_names_the_shop() -> None:
    found = list(_alerts())
    assert len(found) > 20
    nameless = []
    for file, call in found:
        said = {word.arg: ast.unparse(word.value) for word in call.keywords}
        kind = ast.unparse(call.args[0]).strip("\"'")
        module = str(file.relative_to(ROOT))
        if kind in OF_NO_SHOP.get(module, set()) or "shop" in said:
            continue
        if not NAMES_THE_SHOP.search(said["subject"] + said["title"]):
            nameless.append(f"{module}:{call.lineno} {kind}: pass shop=order.shop.domain")
    assert nameless == []
