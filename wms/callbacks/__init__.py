"""Callbacks of a WMS: the view that receives them, and the typed events in them."""
