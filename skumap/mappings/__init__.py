"""What a mapping says: which items a variant is, and that its two ids belong together."""
