"""The warehouses' end of the wire: connections, warehouses, adapters, callbacks."""
