"""What we believe is in stock, and what Shopify is told of it."""
