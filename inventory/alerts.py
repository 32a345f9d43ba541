"""The alerts about stock: what a WMS reports that cannot be used, and what Shopify does not take."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ops.alerting.kinds import AlertKind, Closes
from skumap.refs import mapping_subject
from wms.models import Connection, Warehouse
from wms.refs import connection_subject, unknown_warehouse_subject, warehouse_subject

_SHARED = "a WMS may serve several shops"

MOST_UNREAD_NAMED = 10
"""Items that an alert names."""

STOCK_FIGURE_MISSING = AlertKind("stock_figure_missing", closes=Closes.PERSON, of_no_shop=_SHARED)
STOCK_ITEMS_UNREAD = AlertKind("stock_items_unread", closes=Closes.ITSELF, of_no_shop=_SHARED)
UNKNOWN_WAREHOUSE = AlertKind("unknown_warehouse", closes=Closes.ITSELF, of_no_shop=_SHARED)
STOCK_PUSH_REFUSED = AlertKind("stock_push_refused", closes=Closes.ITSELF)


def stock_figure_missing(warehouse: Warehouse, items: Collection[str]) -> None:
    """Reports of stock lack the quantity that counts for this connection."""
    account = warehouse.connection
    STOCK_FIGURE_MISSING.open(
        connection_subject(account.slug),
        shop=None,
        title=f"{account.slug} reports stock without the quantity that counts",
        meaning=f"The stock basis of this connection is «{account.get_stock_basis_display()}», but the reports for "
        f"{len(items)} items at {warehouse.wms_warehouse_code} do not contain that quantity (for example "
        f"{min(items)}). We cannot follow the stock of these items.",
        action="Set the stock basis of the connection to the quantity that this WMS reports, or ask the vendor to "
        "report it. Then close this alert.",
    )


def stock_items_unread(connection: Connection, unread: Sequence[str], *, cause: str) -> None:
    """A page of stock contains items that cannot be read; `unread` names each with the reason."""
    STOCK_ITEMS_UNREAD.open(
        connection.subject,
        shop=None,
        cause=cause,
        title=f"{connection.slug} reports stock that cannot be read: {len(unread)} items of one page",
        meaning="The stock of all other items is followed. For these items, routing and Shopify keep the stock that "
        f"we knew before. {' | '.join(unread[:MOST_UNREAD_NAMED])}",
        action="Ask the vendor to answer GET /inventory as the contract says. All stock is read once a day, or with "
        "`reconcile --full`. This alert closes when all of it can be read.",
    )


def unknown_warehouse(connection: Connection, *, code: str) -> None:
    """A WMS reports stock of a warehouse that is not set up here."""
    UNKNOWN_WAREHOUSE.open(
        unknown_warehouse_subject(connection.slug, code),
        shop=None,
        title=f"{connection.slug} reports stock of warehouse {code}, which is not set up here",
        meaning="We do not follow the stock of this warehouse, and no order is sent to it.",
        action=f"Add a warehouse with the WMS code {code} to the connection. The next reconciliation then reads its "
        "stock. If it is not one of your warehouses, ask the vendor to stop reporting it.",
    )


def stock_push_refused(warehouse: Warehouse, *, mapping_id: int, label: str, said: str) -> None:
    """Shopify does not take the stock of one product at a warehouse."""
    STOCK_PUSH_REFUSED.open(
        mapping_subject(mapping_id),
        shop=warehouse.shop.domain,
        title=f"Shopify refuses the stock of {label} at {warehouse}",
        meaning=f"Shopify goes on selling by the old quantity. Shopify said: {said}",
        action="Correct the SKU mapping, or the product in Shopify. The stock is sent again when the mapping is saved "
        "or the stock of the item changes.",
    )


def stock_push_refused_at(warehouse: Warehouse, *, said: str) -> None:
    """Shopify takes no stock at all at a warehouse."""
    STOCK_PUSH_REFUSED.open(
        warehouse_subject(warehouse.id),
        shop=warehouse.shop.domain,
        title=f"Shopify refuses all stock of {warehouse}",
        meaning=f"Shopify goes on selling by old quantities there. Shopify said: {said}",
        action="Check the Shopify location of the warehouse and the app's permissions (read and write inventory, read "
        "locations). The stock is sent again within a quarter of an hour.",
    )
