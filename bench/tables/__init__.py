"""Tables at ten million rows: are the statements that run all day still answered from an index, and how fast?

    python -m bench.tables --rows 10000000

Fills a throw-away database with the real schema, runs the product's own functions on it, and has Postgres explain every
statement they make. Exit code 1: one scanned a big table, or took longer than its limit.
"""
