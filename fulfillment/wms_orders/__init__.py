"""The life of a WMS order: placed exactly once, followed, reduced, cancelled, decided by a person."""
