"""Whether we may call a shop: it is installed, and it accepts our credentials."""
