"""Types that say who gave an id: the WMS, or we. The types do not change the values."""

from __future__ import annotations

from typing import NewType

ConnectionPk = NewType("ConnectionPk", int)
"""The key of our row of a connection."""

WarehousePk = NewType("WarehousePk", int)
"""The key of our row of a warehouse."""

ExternalId = NewType("ExternalId", str)
"""Our id of an order or a return at a WMS. It is sent with every call that changes it, and identifies it there."""

RemoteOrderId = NewType("RemoteOrderId", str)
"""The WMS's id of an order."""

RemoteShipmentId = NewType("RemoteShipmentId", str)
"""The WMS's id of a shipment."""

RemoteReturnId = NewType("RemoteReturnId", str)
"""The WMS's id of a return."""
