"""References are built and parsed in the refs modules only, and an id is not taken for another's."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from mypy import api

from tests.architecture.layers import APPS, ROOT, sources

PREFIXES = tuple(
    f"{kind}:"
    for kind in (
        "alert",
        "alerts",
        "connection",
        "decision",
        "fulfillment_order",
        "mapping",
        "order",
        "reconcile",
        "shipment",
        "shop",
        "sku",
        "stock",
        "user",
        "warehouse",
        "wms",
        "wms_order",
    )
)
"""What subjects, park keys, lanes and external ids begin with."""

IMPORTS = """
from fulfillment.refs import OrderPk, WmsOrderPk, arrival_key, decision_key, external_subject, order_key, order_subject
from ops.errors import Blocked
from shops.api.gids import gid
from shops.ids import FulfillmentOrderId, ShopifyOrderId, ShopPk
from wms.ids import ConnectionPk, ExternalId, RemoteOrderId
"""

RIGHT = """
order_subject(ShopPk(1), ShopifyOrderId(5))
order_key(OrderPk(5))
gid("Order", ShopifyOrderId(5))
arrival_key(ConnectionPk(1), RemoteOrderId("W1"))
Blocked("it waits", on=[decision_key(ExternalId("x"))], recheck=bool)
"""

WRONG = """
order_subject(ShopPk(1), OrderPk(5))
order_subject(ConnectionPk(1), ShopifyOrderId(5))
order_key(ShopifyOrderId(5))
order_key(WmsOrderPk(5))
order_key(5)
gid("Order", FulfillmentOrderId(5))
arrival_key(ConnectionPk(1), ExternalId("x"))
Blocked("it waits", on=[external_subject(ExternalId("x"))], recheck=bool)
"""


def _built(file: Path) -> Iterator[str]:
    """The f-strings of a file that begin as a reference does."""
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.JoinedStr(values=[ast.Constant(value=str(begins)), ast.FormattedValue(), *_]):
                if begins.startswith(PREFIXES):
                    yield f"{file.relative_to(ROOT)}:{node.lineno} {ast.unparse(node)}"


def test_references_are_built_in_the_refs_modules_only() -> None:
    builders = [file for file in sources(*APPS) if file.name != "refs.py"]
    assert [found for file in builders for found in _built(file)] == []
    assert len([found for file in sources(*APPS) if file.name == "refs.py" for found in _built(file)]) > 15


@pytest.mark.parametrize(("snippet", "refused"), [(RIGHT, 0), (WRONG, WRONG.count("\n") - 1)])
def test_an_id_is_not_taken_for_another_s(
    snippet: str, refused: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    told, _, _ = api.run(["--config-file=", "--strict", "--no-site-packages", "-c", IMPORTS + snippet])
    errors = [line for line in told.splitlines() if line.startswith("<string>") and ": error: " in line]
    assert len({line.split(":")[1] for line in errors}) == refused, told
