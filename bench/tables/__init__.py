"""`python -m bench.tables`: are frequent statements still answered from an index at ten million rows, and how fast?

    python -m bench.tables --rows 10000000

It fills a throw-away database that has the real schema, runs the functions of the product on it, and lets Postgres
explain each of their statements. The exit code is 1 if a statement scanned a big table or took longer than its limit.
"""
