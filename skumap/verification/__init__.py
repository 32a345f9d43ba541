"""Finds mappings that no longer agree with Shopify, and ends their need for verification."""
