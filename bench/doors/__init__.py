"""What a webhook costs at the door, beside a bare Django view that checks a signature and inserts one row.

Both are served by the granian of the Dockerfile, with the same options, and write to the same Postgres. No worker runs.
The sender is a process of its own, and its CPU is not counted.
"""
