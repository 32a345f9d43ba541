"""The control API of the simulated Shopify."""
