"""Measurements of the whole product, or of its tables, at sizes that no test has time for. Nothing imports this."""
