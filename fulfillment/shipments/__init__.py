"""What left the warehouses: taken in, accounted for unit by unit, compared with what Shopify asks for."""
