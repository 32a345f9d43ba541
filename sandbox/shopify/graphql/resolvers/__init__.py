"""The resolvers of the fields of the GraphQL schema."""
