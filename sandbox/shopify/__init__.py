"""The simulated Shopify: Admin GraphQL API 2026-10, its run-time rules, fulfilment orders, stock and webhooks."""
