"""The adapters there are, by the name that a connection carries."""

from __future__ import annotations

from collections.abc import Callable

from wms.adapters.base import Adapter, Capability
from wms.adapters.rest import RestAdapter
from wms.models import Connection

ADAPTERS: dict[str, Callable[[Connection, frozenset[Capability]], Adapter]] = {
    "rest": RestAdapter,
}
DECLARED: dict[str, frozenset[Capability]] = {
    "rest": frozenset(Capability),
}


def adapter_for(connection: Connection) -> Adapter:
    """The adapter that speaks for this connection. KeyError: none such (forms and load_config check)."""
    return ADAPTERS[connection.adapter](connection, capabilities_of(connection))


def capabilities_of(connection: Connection) -> frozenset[Capability]:
    """What this account can do: what the adapter declares and the connection lists (null = all of it)."""
    declared = DECLARED[connection.adapter]
    if connection.capabilities is None:
        return declared
    return frozenset(capability for capability in declared if capability.value in connection.capabilities)
