"""Orders to warehouses, shipments back."""
