"""Whose data is kept for how long, and what Shopify asks on behalf of customers."""
