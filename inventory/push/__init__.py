"""From changed levels to Shopify: what is due, what it costs, what is told, and how calls are kept."""
