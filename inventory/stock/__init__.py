"""Our copy of the warehouses' stock: its only writer, its locks, and what follows when it changes."""
