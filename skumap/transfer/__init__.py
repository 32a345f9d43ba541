"""Imports and exports mappings as CSV."""
