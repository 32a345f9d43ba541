"""The demo runs the whole product on one machine, against simulated stores and warehouses.

It needs requirements-dev.txt. It talks to the sandbox over HTTP only, and reads the application's state through its
models.
"""
