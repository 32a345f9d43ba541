"""Alerts, and the channels through which people get them."""
