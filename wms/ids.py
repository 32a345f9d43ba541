"""Whose an id is: the WMS's, ours, or ours as the WMS is told it. The types change no value."""

from __future__ import annotations

from typing import NewType

ConnectionPk = NewType("ConnectionPk", int)
"""Our row of a connection."""

WarehousePk = NewType("WarehousePk", int)
"""Our row of a warehouse."""

ExternalId = NewType("ExternalId", str)
"""What we call an order or a return at a WMS: its identity there, sent along with every call that changes it."""

RemoteOrderId = NewType("RemoteOrderId", str)
"""What the WMS calls an order."""

RemoteShipmentId = NewType("RemoteShipmentId", str)
"""What the WMS calls a shipment."""

RemoteReturnId = NewType("RemoteReturnId", str)
"""What the WMS calls a return."""
