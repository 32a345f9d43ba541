"""The Admin GraphQL API: its schema, its costs and its run-time rules."""
