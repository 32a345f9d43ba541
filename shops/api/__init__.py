"""Shopify's Admin API: the client, its credentials, its documents, and answers as typed objects."""
