"""What customers, merchants and apps do at a shop, and what changes by it."""
