"""What staff see of orders, WMS orders, shipments and returns."""
