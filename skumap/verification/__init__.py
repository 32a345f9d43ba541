"""Mappings that may be wrong: what Shopify says of the variant now, and what a person confirms."""
