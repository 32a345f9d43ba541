"""From a change at Shopify to our copy of the order, and what follows for the work under way."""
