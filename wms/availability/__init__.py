"""Whether work may go to a WMS or a warehouse, and what goes on once that has changed."""
