"""Shopify asks for less than warehouses were given: measured, judged, and passed on."""
