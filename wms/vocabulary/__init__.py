"""How a WMS writes: its words for the state of an order, and its times without a zone."""
