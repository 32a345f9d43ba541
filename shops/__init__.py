"""Shopify's end of the wire: shops, the client, its budget, incoming webhooks."""
