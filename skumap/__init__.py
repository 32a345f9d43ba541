"""Which Shopify variant is which warehouse item."""
