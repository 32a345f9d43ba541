"""Measurements of the whole product, or of its tables, at sizes for which no test has time. Only tests import this."""
