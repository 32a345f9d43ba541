"""The budget of a shop: GraphQL points and REST calls, which all workers share."""
