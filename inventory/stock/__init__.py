"""Our copy of the warehouses' stock: one writer, one place that locks, what follows from a change."""
