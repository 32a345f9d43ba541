"""Durable jobs and lanes, alerts, and the parts that shops and WMSs have in common."""
