"""What the webhooks of a shop carry: REST-shaped bodies as in the samples of 2026-07, and signed headers."""
