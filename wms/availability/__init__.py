"""Decides whether work may go to a WMS or a warehouse, and wakes waiting work when that changes."""
