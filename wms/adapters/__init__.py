"""The available adapters, by the name that a connection stores."""

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
    """Return the adapter of a connection. Raises KeyError if there is none of that name; forms and load_config check
    it.
    """
    return ADAPTERS[connection.adapter](connection, capabilities_of(connection))


def capabilities_of(connection: Connection) -> frozenset[Capability]:
    """Return what the account can do: the adapter's capabilities that the connection lists, or all if it lists none."""
    declared = DECLARED[connection.adapter]
    if connection.capabilities is None:
        return declared
    return frozenset(capability for capability in declared if capability.value in connection.capabilities)
