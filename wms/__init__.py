"""The side of the warehouses: connections, warehouses, adapters, callbacks."""
