"""Durable jobs and lanes, alerts, and the few things both ends of the wire share."""
