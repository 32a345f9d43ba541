"""A simulated Shopify and a simulated WMS, as real HTTP servers.

Imports nothing of the application and is imported by nothing of it.
"""
