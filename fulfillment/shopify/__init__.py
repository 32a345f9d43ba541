"""Reads orders at Shopify as typed objects. Nothing here writes."""
