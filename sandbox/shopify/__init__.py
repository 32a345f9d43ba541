"""The simulated Shopify: the Admin GraphQL API 2026-10, fulfilment orders, stock and webhooks."""
