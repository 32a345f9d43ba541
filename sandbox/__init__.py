"""A simulated Shopify and a simulated WMS, as real HTTP servers.

The sandbox imports nothing of the application, and nothing of the application imports the sandbox.
"""
