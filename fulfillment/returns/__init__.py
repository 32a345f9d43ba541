"""Goods that come back: announced to the warehouse, and recorded on arrival."""
