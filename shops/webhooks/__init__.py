"""Shopify's webhooks: the view that receives them, their topics, and our subscriptions."""
