"""The people of a run: customers, merchants, warehouse people and staff."""
