"""Turns a change at Shopify into a change of our copy of the order, and applies it to the work under way."""
