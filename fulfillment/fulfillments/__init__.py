"""What we write to Shopify about shipments: fulfilments, and the location of the work."""
