"""Erases customers' data, on a schedule and when Shopify asks for it."""
