"""Forms and filters for the console's pages of connections and warehouses."""
