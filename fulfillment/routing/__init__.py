"""From a ready order to WMS orders: which products, which warehouse, which stock."""
