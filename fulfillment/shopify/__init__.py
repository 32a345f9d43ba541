"""What Shopify says about an order, read and typed. Nothing here writes."""
