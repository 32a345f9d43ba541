"""The whole product at work on one machine, against simulated stores and warehouses. Needs requirements-dev.txt.

It speaks with the sandbox over HTTP only, and looks at the application through its models.
"""
