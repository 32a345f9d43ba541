"""The durable jobs in Postgres: they are enqueued, woken, replayed, counted and pruned here."""
