"""Writes to Shopify: makes fulfilments of shipments, and moves fulfilment orders to the location of their warehouse."""
