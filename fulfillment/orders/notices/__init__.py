"""What webhooks tell of an order that was read before, and whether we know it already."""
