"""Mappings in and out as CSV."""
