"""Durable jobs in Postgres: put in, parked and woken, buried, replayed, counted, pruned."""
